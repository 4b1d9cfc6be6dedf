import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canAdvance, isSettled, type PushState, pushStates, replayableStates, statesBefore } from './push.ts';

/** Every step that there is, written a second time: from → to. */
const steps: Record<PushState, string> = {
  queued: 'accepted delivered displayed clicked failed expired cancelled suppressed dropped unknown',
  accepted: 'delivered displayed clicked dropped',
  delivered: 'displayed clicked',
  displayed: 'clicked',
  clicked: '',
  failed: 'delivered displayed clicked',
  expired: '',
  cancelled: '',
  suppressed: '',
  dropped: '',
  unknown: 'delivered displayed clicked dropped',
};

const aState = fc.constantFrom(...pushStates);

describe('push states', () => {
  for (const from of pushStates) {
    for (const to of pushStates) {
      const allowed = steps[from].split(' ').includes(to);
      it(`${from} → ${to}: ${allowed ? 'a step' : 'no step'}`, () => {
        assert.equal(canAdvance(from, to), allowed);
        assert.equal(statesBefore(to).includes(from), allowed);
      });
    }
  }

  it('has nothing before queued', () => assert.deepEqual(statesBefore('queued'), []));

  it('is settled everywhere but in queued', () => {
    assert.deepEqual(
      pushStates.filter((state) => !isSettled(state)),
      ['queued'],
    );
  });

  it('is replayed only from where it was given up, and never by a step of its own', () => {
    assert.deepEqual(replayableStates, ['failed', 'unknown']);
    for (const state of replayableStates) assert.equal(canAdvance(state, 'queued'), false);
  });

  it('never comes back to a state, whatever arrives in whatever order', () => {
    fc.assert(
      fc.property(fc.array(aState, { maxLength: 30 }), (arriving) => {
        const visited: PushState[] = ['queued'];
        let state: PushState = 'queued';
        for (const to of arriving) {
          if (!canAdvance(state, to)) continue;
          state = to;
          visited.push(state);
        }
        assert.equal(new Set(visited).size, visited.length);
      }),
    );
  });

  it('ends in the same state when receipts are repeated and shuffled, dropped apart', () => {
    const receipts: PushState[] = ['accepted', 'delivered', 'displayed', 'clicked'];
    const shuffled = fc.shuffledSubarray([...receipts, ...receipts], { minLength: 8 });
    fc.assert(
      fc.property(shuffled, (arriving) => {
        const end = arriving.reduce<PushState>((from, to) => (canAdvance(from, to) ? to : from), 'queued');
        assert.equal(end, 'clicked');
      }),
    );
  });
});
