import { cut, type Outcome } from '@pushmill/core';
import { withoutToken } from '../audience-outcome.ts';
import { tokenRounds } from '../token-rounds.ts';
import type { OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { operate } from './operations.ts';
import { planOf, pushCall } from './payload.ts';
import { type Channel, Transport } from './transport.ts';

/** Into how many targets a call is cut at most when one of its targets is at fault; a smaller one is cut singly. */
const smallerCall = 10;

/**
 * A sender over one pool of connections. Either interface gives one answer for a whole call.
 * @throws CredentialError  when the channel was switched to the other interface without its credential
 */
export function createSender(channel: Channel, deps: SenderDeps): Sender {
  const { settings } = channel;
  const transport = new Transport(channel, deps);

  /** Pushes with different tokens, as many as a call may have; or one audience. */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const [first] = pushes as [OutgoingPush];
    const { outcome, perTarget } = await transport.ask(
      pushCall(pushes, settings, deps.now()),
      {
        targets: pushes.map((push) => push.token).filter((token) => token !== ''),
        ownValues: planOf(first, settings).ownValues,
      },
      signal,
    );
    if (first.audience !== undefined) return [withoutToken(outcome)];
    if (!perTarget || pushes.length === 1) return pushes.map(() => outcome);
    // It was taken for none, so its parts are asked until whoever is at fault stands alone.
    return inParts(pushes, pushes.length > smallerCall ? smallerCall : 1, signal);
  }

  async function inParts(pushes: readonly OutgoingPush[], size: number, signal: AbortSignal) {
    return (await Promise.all(cut(pushes, size).map((part) => attempt(part, signal)))).flat();
  }

  return {
    async send(pushes, signal) {
      const { maxTargets } = planOf(pushes[0] as OutgoingPush, settings);
      const outcomes = new Map<OutgoingPush, Outcome>();
      for (const round of tokenRounds(pushes)) {
        const answers = await inParts(round, maxTargets, signal);
        round.forEach((push, index) => {
          outcomes.set(push, answers[index] as Outcome);
        });
      }
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    operate: (name, input, signal) => operate(name, input, settings, transport, signal),
    close: (deadlineMs) => transport.close(deadlineMs),
  };
}
