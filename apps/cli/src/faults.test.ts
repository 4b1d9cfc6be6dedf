import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import type { Faults } from '@pushmill/vendors';
import { scheduleFaults } from './fault-schedule.ts';
import { parseFaults } from './faults.ts';

const forGood = (faults: Faults) => ({ faults, forMs: undefined });

describe('parseFaults', () => {
  for (const [text, phase] of [
    ['throttled=0.01, reset=1,slow=0', forGood({ throttled: 0.01, reset: 1, slow: 0 })],
    ['late-receipt=0.5,forged-receipt=0.1', forGood({ 'late-receipt': 0.5, 'forged-receipt': 0.1 })],
    ['status=429,rate=0.1,for=30s', { faults: { throttled: 0.1 }, forMs: 30_000 }],
    ['rate=0.1,for=2m,status=503', { faults: { unavailable: 0.1 }, forMs: 120_000 }],
    ['status=500,for=250ms', { faults: { unavailable: 1 }, forMs: 250 }],
    ['status=502', forGood({ unavailable: 1 })],
    ['status=410,rate=0.2', forGood({ 'token-dead': 0.2 })],
    ['status=400,rate=0.2', forGood({ rejected: 0.2 })],
    ['status=401', forGood({ misconfigured: 1 })],
    ['status=403', forGood({ misconfigured: 1 })],
    ['status=200,rate=0.5', forGood({})],
    ['kind=reset,rate=0.1,for=1h', { faults: { reset: 0.1 }, forMs: 3_600_000 }],
    ['kind=forged-receipt', forGood({ 'forged-receipt': 1 })],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseFaults(text), phase);
    });
  }

  for (const text of [
    '',
    'nope=0.1',
    'accepted=0.1',
    'reset',
    'reset=',
    'reset=2',
    'reset=-1',
    'reset=x',
    'reset=0.1,reset=0.2',
    '__proto__=1',
    'status=418',
    'status=',
    'status=toString',
    'status=429,rate=2',
    'status=429,rate=',
    'status=429,for=0s',
    'status=429,for=soon',
    'status=429,for=30',
    'status=429,for=1000h',
    'status=429,kind=reset',
    'status=429,reset=0.1',
    'kind=nope',
    'rate=0.1,for=30s',
  ]) {
    it(`refuses "${text}" with a sentence`, () => {
      assert.throws(() => parseFaults(text), /^CommandError: .*\.$/);
    });
  }
});

describe('scheduleFaults', () => {
  it('adds phases up, ends each in its time, and leaves no timer', (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const seen: Faults[] = [];
    const emulator = { setFaults: (faults: Faults) => void seen.push(faults) };
    const phases = ['throttled=0.4', 'status=429,rate=0.1,for=30s', 'kind=throttled,rate=0.9,for=60s'].map(
      parseFaults,
    );
    let ended = 0;
    const schedule = scheduleFaults([emulator], phases, () => {
      ended++;
    });
    mock.timers.tick(29_999);
    assert.deepEqual(seen, [{ throttled: 1 }]);
    mock.timers.tick(1);
    assert.equal(ended, 1);
    assert.deepEqual(seen.at(-1), { throttled: 1 });
    mock.timers.tick(29_000);
    schedule.stop();
    mock.timers.tick(60_000);
    assert.deepEqual([seen.length, ended], [2, 1]);
  });

  it('goes back to what has no end', (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const seen: Faults[] = [];
    const emulator = { setFaults: (faults: Faults) => void seen.push(faults) };
    scheduleFaults([emulator], [parseFaults('slow=0.5'), parseFaults('status=503,for=1s')]);
    mock.timers.tick(1_000);
    assert.deepEqual(seen, [{ slow: 0.5, unavailable: 1 }, { slow: 0.5 }]);
  });
});
