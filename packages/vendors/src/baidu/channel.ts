import type { Outcome } from '@pushmill/core';
import { withoutToken } from '../audience-outcome.ts';
import type { OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { channelPath, pushMessage } from './channel-payload.ts';
import type { KeyPair } from './credential.ts';
import { formCalls } from './form-call.ts';
import { operate } from './operations.ts';
import { readUserToken } from './settings.ts';
import type { Params } from './sign.ts';
import { type BaiduChannel, runInTurn, Transport } from './transport.ts';

/** As the official SDK of 2.0 called itself. */
const userAgent = 'Baidu Channel Service Pythonsdk Client';

/** A sender of the channel API 2.0, which has no call for several devices. */
export function createChannelSender(channel: BaiduChannel, keys: KeyPair, deps: SenderDeps): Sender {
  const { settings } = channel;
  const transport = new Transport(channel, deps);
  const ask = formCalls(channel, keys, transport, deps, userAgent);

  async function sendOne(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const { userId, channelId = '' } = readUserToken(push.token);
    const hidden = [userId, channelId].filter((text) => text !== '');
    const { outcome } = await ask(channelPath, pushMessage(push, settings, deps.now()), hidden, signal);
    return push.audience === undefined ? outcome : withoutToken(outcome);
  }

  return {
    async send(pushes, signal) {
      const outcomes = new Map<OutgoingPush, Outcome>();
      await runInTurn(pushes, settings.maxConnections, async (push) => {
        outcomes.set(push, await sendOne(push, signal));
      });
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    operate: (name, input, signal) =>
      operate('channel-2.0', name, input, ({ path, fields, hidden }) =>
        ask(path, fields as Params, hidden, signal),
      ),
    close: (deadlineMs) => transport.close(deadlineMs),
  };
}
