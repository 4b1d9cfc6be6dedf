import type { Outcome } from '@pushmill/core';
import { tokenRounds } from '../token-rounds.ts';
import type { OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { invalidTarget } from './answer.ts';
import { AudienceSender } from './audience-send.ts';
import { operate } from './operations.ts';
import { emulatorHeaders, pushBody, pushPath } from './payload.ts';
import { pollTask } from './polling.ts';
import { type Channel, Transport } from './transport.ts';

/** A sender over one pool of connections. */
export function createSender(channel: Channel, deps: SenderDeps): Sender {
  const { settings } = channel;
  const transport = new Transport(channel, deps);
  const audiences = new AudienceSender(channel, transport, deps.shared, deps.now);

  /** Pushes with different tokens. */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    // A list of accounts would answer for the list and hide which of them has no device.
    if (settings.audience === 'account' && pushes.length > 1) return oneByOne(pushes, signal);
    const { outcome, invalid, perTarget } = await transport.ask(
      {
        path: pushPath,
        body: () => pushBody(pushes, settings, deps.now()),
        headers: emulatorHeaders(pushes, settings),
        hidden: pushes.map((push) => push.token),
      },
      signal,
    );
    if (outcome.kind === 'accepted') {
      const taken =
        isPolled(pushes.length) && outcome.vendorMessageId ? { ...outcome, poll: true as const } : outcome;
      if (invalid.size === 0) return pushes.map(() => taken);
      const sent = new Set(pushes.map((push) => push.token.toLowerCase()));
      if ([...invalid].some((token) => !sent.has(token))) {
        transport.warnings.once('invalid', 'tpns named invalid tokens that were not in the call');
      }
      return pushes.map((push) => (invalid.has(push.token.toLowerCase()) ? invalidTarget : taken));
    }
    if (perTarget && pushes.length > 1) return oneByOne(pushes, signal);
    return pushes.map(() => outcome);
  }

  async function oneByOne(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    return (await Promise.all(pushes.map((push) => attempt([push], signal)))).flat();
  }

  function isPolled(pushes: number): boolean {
    return settings.statistics === 'all' || (settings.statistics === 'many' && pushes > 1);
  }

  return {
    async send(pushes, signal) {
      const [first] = pushes;
      if (first?.audience !== undefined) return [await audiences.send(first, signal)];
      const outcomes = new Map<OutgoingPush, Outcome>();
      for (const round of tokenRounds(pushes)) {
        const answers = await attempt(round, signal);
        round.forEach((push, index) => {
          outcomes.set(push, answers[index] as Outcome);
        });
      }
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    operate: (name, input, signal) => operate(name, input, transport, deps.now(), signal),
    poll: (tasks, signal) => Promise.all(tasks.map((task) => pollTask(task, transport, settings, signal))),
    close: (deadlineMs) => transport.close(deadlineMs),
  };
}
