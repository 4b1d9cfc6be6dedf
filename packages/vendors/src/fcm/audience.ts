import type { FieldProblem, MessageContent } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import type { Audience, VendorAudiences } from '../vendor.ts';
import { maxTopicPayloadBytes, sizeProblems } from './check.ts';
import { conditionFault } from './condition.ts';
import { overridesOf } from './payload.ts';
import type { FcmSettings } from './settings.ts';

/** The prefix is of an older API: FCM wants the bare name, and people still write it. */
export const topicSchema = Type.String({
  pattern: '^(?:/topics/)?[a-zA-Z0-9_.~%-]{1,900}$',
  description: 'Letters, digits and -_.~%',
});

const topicAudience = Type.Object(
  { kind: Type.Literal('topic'), topic: topicSchema },
  { additionalProperties: false, description: 'Every app instance that is subscribed to a topic' },
);
const conditionAudience = Type.Object(
  {
    kind: Type.Literal('condition'),
    condition: Type.String({
      minLength: 1,
      maxLength: 2_000,
      description: "At most five topics: 'a' in topics && ('b' in topics || 'c' in topics)",
    }),
  },
  { additionalProperties: false, description: 'Every app instance whose topics fulfil a condition' },
);

const schema = Type.Union([topicAudience, conditionAudience]);

export type FcmAudience = Static<typeof schema>;

export const audiences: VendorAudiences<FcmSettings> = { schema, check };

export function bareTopic(topic: string): string {
  return topic.replace(/^\/topics\//, '');
}

/** What stands in place of a token in the call. */
export function targetOf(audience: FcmAudience): { target: 'topic' | 'condition'; name: string } {
  return audience.kind === 'topic'
    ? { target: 'topic', name: bareTopic(audience.topic) }
    : { target: 'condition', name: audience.condition };
}

function check(audience: Audience, content: MessageContent): FieldProblem[] {
  const problems = sizeProblems(content, maxTopicPayloadBytes);
  const { kind, condition } = audience as FcmAudience & { condition?: string };
  const fault = kind === 'condition' ? conditionFault(condition ?? '') : undefined;
  if (fault !== undefined) problems.push({ pointer: '/condition', code: 'condition', detail: fault });
  if (overridesOf(content).apns?.live_activity_token !== undefined) {
    problems.push({
      pointer: '/vendor/fcm/apns/live_activity_token',
      code: 'excluded',
      detail: 'A Live Activity is of one device and cannot be reached through a topic.',
    });
  }
  return problems;
}
