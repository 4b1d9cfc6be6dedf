import type { FieldProblem, MessageContent } from '@pushmill/core';
import type { Static } from 'typebox';
import { Type } from 'typebox';
import type { Audience, OutgoingPush, VendorAudiences } from '../vendor.ts';
import { channelIdSchema } from './channel-id.ts';
import type { ApnsRequest } from './exchange.ts';
import { overridesOf, payloadOf, priorityOf, pushTypeOf } from './payload.ts';
import type { ApnsSettings } from './settings.ts';

const audienceSchema = Type.Object(
  { kind: Type.Literal('broadcast'), channelId: channelIdSchema },
  {
    additionalProperties: false,
    description: 'Everybody whose Live Activity subscribed to one broadcast channel (iOS 18 and later).',
  },
);

export type BroadcastAudience = Static<typeof audienceSchema>;

/** @see Apple, "Sending broadcast push notification requests to APNs" */
export const audiences: VendorAudiences<ApnsSettings> = { schema: audienceSchema, check };

function check(_audience: Audience, content: MessageContent): FieldProblem[] {
  const { liveActivity, topic } = overridesOf(content);
  const problems: FieldProblem[] = [];
  if (liveActivity === undefined || pushTypeOf(content) !== 'liveactivity') {
    problems.push({
      pointer: '/vendor/apns/liveActivity',
      code: 'required',
      detail: 'A broadcast updates or ends a Live Activity: the message needs its liveActivity fields.',
    });
  } else if (liveActivity.event === 'start') {
    problems.push({
      pointer: '/vendor/apns/liveActivity/event',
      code: 'event',
      detail: 'A broadcast can update or end a Live Activity, and not start one.',
    });
  }
  if (topic !== undefined) {
    problems.push({
      pointer: '/vendor/apns/topic',
      code: 'broadcast-topic',
      detail: 'A broadcast goes to the app of the channel and has no topic of its own.',
    });
  }
  return problems;
}

/** A channel that keeps a message keeps it so long. */
const longestKeptMs = 8 * 3_600_000;

/** Pure: the same push gives the same request on every attempt. There is no topic and no collapse id. */
export function broadcastRequest(
  push: OutgoingPush,
  audience: BroadcastAudience,
  settings: ApnsSettings,
  signal: AbortSignal,
): ApnsRequest {
  const { message } = push;
  // Required, and refused by a channel that stores nothing unless it is 0; 0 is taken by both sorts.
  const keptUntil =
    overridesOf(message).expiration === 'store'
      ? Math.floor(Math.min(message.expiresAt, message.createdAt + longestKeptMs) / 1_000)
      : 0;
  return {
    method: 'POST',
    path: `/4/broadcasts/apps/${settings.topic}`,
    headers: {
      'apns-channel-id': audience.channelId,
      'apns-request-id': push.identity,
      'apns-push-type': 'liveactivity',
      'apns-priority': String(priorityOf(message)),
      'apns-expiration': String(keptUntil),
    },
    body: Buffer.from(JSON.stringify(payloadOf(message, message.createdAt)), 'utf8'),
    signal,
  };
}
