import os from 'node:os';
import type { Outcome } from '@pushmill/core';
import { textOf } from '../answer-reading.ts';
import { withoutToken } from '../audience-outcome.ts';
import type { OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { type BaiduAudience, missesItsTime } from './audience.ts';
import type { KeyPair } from './credential.ts';
import { formCalls } from './form-call.ts';
import { MessageFaults } from './message-fault.ts';
import { operate } from './operations.ts';
import { audienceCall, pushCall, topicNamesPushes } from './payload.ts';
import { pollTasks, timerTask } from './polling.ts';
import type { Params } from './sign.ts';
import { cutCalls } from './topic.ts';
import { type Answer, type BaiduChannel, runInTurn, Transport } from './transport.ts';

/**
 * Baidu refuses calls without a User-Agent of this form, made for the vendor's own SDKs.
 * @see  push.baidu.com, "sdk_developer"
 */
export const userAgent =
  `BCCS_SDK/3.0 (${os.type()}; ${os.release()}; ${process.arch}) Node/${process.versions.node} (Baidu Push Server SDK V3.0.0) cli/Unknown`.replace(
    // A header is printable ASCII; a kernel's name may be anything.
    /[^\x20-\x7e]/g,
    '_',
  );

/** A sender of REST 3.0; one push goes as a single call, more go as a batch call (Android). */
export function createRestSender(channel: BaiduChannel, keys: KeyPair, deps: SenderDeps): Sender {
  const { settings } = channel;
  const maxDevices = settings.platform === 'ios' ? 1 : settings.maxDevicesPerCall;
  const transport = new Transport(channel, deps);
  const ask = formCalls(channel, keys, transport, deps, userAgent);
  /** For what is no push: one key may serve two apps, and this tells which is meant. */
  const deviceType = settings.platform === 'ios' ? '4' : '3';
  const askAbout: typeof ask = (path, params, hidden, signal) =>
    ask(path, { device_type: deviceType, ...params }, hidden, signal);
  const faults = new MessageFaults();

  /**
   * Pushes with different tokens. A call that is refused for what may be one bad device was taken for none,
   * so its halves are asked until the bad ones stand alone: one among 500 costs 18 more calls, not 500.
   * The halves are asked in turn, so that a bad message shows before every device was asked.
   */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const { path, params } = pushCall(pushes, settings, deps.now());
    const tokens = pushes.map((push) => push.token);
    const { outcome, perTarget } = await ask(path, params, tokens, signal);
    const messageId = (pushes[0] as OutgoingPush).message.id;
    const isAlone = pushes.length === 1;
    if (outcome.kind === 'accepted') {
      faults.taken(messageId);
      // The vendor keeps no report of single pushes.
      return pushes.map(() => (isAlone ? outcome : pollable(outcome)));
    }
    const mayBeMessage = perTarget && outcome.kind === 'rejected';
    if (mayBeMessage && isAlone) faults.refusedAlone(messageId);
    if (!perTarget || isAlone || (mayBeMessage && faults.isAtFault(messageId))) {
      return pushes.map(() => outcome);
    }
    const middle = pushes.length >> 1;
    return [
      ...(await attempt(pushes.slice(0, middle), signal)),
      ...(await attempt(pushes.slice(middle), signal)),
    ];
  }

  async function sendToAudience(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const audience = push.audience as BaiduAudience;
    const missed = missesItsTime(push, audience);
    if (missed !== undefined) return missed;
    const { path, params } = audienceCall(push, audience, settings, deps.now());
    return outcomeOfAudience(await ask(path, params, [], signal));
  }

  return {
    async send(pushes, signal) {
      const [first] = pushes;
      if (first === undefined) return [];
      if (first.audience !== undefined) return [await sendToAudience(first, signal)];
      const outcomes = new Map<OutgoingPush, Outcome>();
      const calls = cutCalls(pushes, maxDevices, topicNamesPushes(first.message, settings));
      await runInTurn(calls, settings.maxConnections, async (part) => {
        const answers = await attempt(part, signal);
        for (const [index, push] of part.entries()) outcomes.set(push, answers[index] as Outcome);
      });
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    operate: (name, input, signal) =>
      operate('rest-3.0', name, input, ({ path, fields, hidden }) =>
        askAbout(path, fields as Params, hidden, signal),
      ),
    poll: (tasks, signal) => pollTasks(tasks, (path, params) => askAbout(path, params, [], signal)),
    close: (deadlineMs) => transport.close(deadlineMs),
  };
}

/** A push that waits for its `send_time` has a timer, by which it can be asked about and cancelled. */
function outcomeOfAudience({ outcome, result }: Answer): Outcome {
  if (outcome.kind !== 'accepted') return withoutToken(outcome);
  const timerId = textOf(result?.timer_id);
  return pollable(timerId === undefined ? outcome : { ...outcome, vendorMessageId: timerTask(timerId) });
}

function pollable(outcome: Extract<Outcome, { kind: 'accepted' }>): Outcome {
  return outcome.vendorMessageId === undefined ? outcome : { ...outcome, poll: true };
}
