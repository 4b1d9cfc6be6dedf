import type { Outcome } from '@pushmill/core';
import type { Sender, SenderDeps } from '../vendor.ts';
import { createChannelSender } from './channel.ts';
import { keysOf } from './credential.ts';
import { createRestSender } from './rest.ts';
import { apiOf } from './settings.ts';
import { createSppSender } from './spp.ts';
import type { BaiduChannel } from './transport.ts';

/** A sender for the generation that the channel is set to. */
export function createSender(channel: BaiduChannel, deps: SenderDeps): Sender {
  const keys = keysOf(channel.credential, channel.settings);
  if (keys === undefined) return keylessSender;
  switch (apiOf(channel.settings)) {
    case 'rest-3.0':
      return createRestSender(channel, keys, deps);
    case 'channel-2.0':
      return createChannelSender(channel, keys, deps);
    case 'spp':
      return createSppSender(channel, keys, deps);
  }
}

const wrongKeys: Outcome = {
  kind: 'misconfigured',
  code: 'wrong-keys',
  detail: 'The credential belongs to another api than the one that the channel is set to.',
};

/** Of a channel whose `api` was changed and whose credential was not. */
const keylessSender: Sender = {
  send: async (pushes) => pushes.map(() => wrongKeys),
  operate: async () => ({ outcome: wrongKeys }),
  poll: async (tasks) => tasks.map(() => ({ kind: 'failed', outcome: wrongKeys })),
  close: async () => {},
};
