import type { Outcome } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { isObject, type JsonObject } from '../answer-reading.ts';
import { withoutToken } from '../audience-outcome.ts';
import type { OperationAnswer, VendorOperation } from '../vendor.ts';
import { takenId } from './answer.ts';
import { bareTopic, topicSchema } from './audience.ts';
import { subscriptionErrors } from './errors.ts';
import type { Channel, Exchange } from './exchange.ts';

type Input = Readonly<Record<string, unknown>>;

const subscription = Type.Object(
  {
    topic: topicSchema,
    tokens: Type.Array(Type.String({ minLength: 1, maxLength: 4_096 }), { minItems: 1, maxItems: 1_000 }),
  },
  { additionalProperties: false },
);

export const operations: Readonly<Record<string, VendorOperation>> = {
  verify: {
    summary: 'Prove key file, project and permission with a message that FCM checks and does not deliver',
    input: Type.Object({}, { additionalProperties: false }),
  },
  subscribe: { summary: 'Subscribe app instances to a topic', input: subscription },
  unsubscribe: { summary: 'End subscriptions of app instances to a topic', input: subscription },
};

export function sendPath({ settings, credential }: Channel): string {
  const project = settings.projectId ?? credential.projectId;
  return `/v1/projects/${project}/messages:send`;
}

/** @throws TypeError  for a name that is not among the operations */
export async function operate(
  name: string,
  input: Input,
  signal: AbortSignal,
  channel: Channel,
  exchange: Exchange,
): Promise<OperationAnswer> {
  switch (name) {
    case 'verify':
      return verify(signal, channel, exchange);
    case 'subscribe':
      return change('batchAdd', input as Static<typeof subscription>, signal, exchange);
    case 'unsubscribe':
      return change('batchRemove', input as Static<typeof subscription>, signal, exchange);
    default:
      throw new TypeError(`FCM has no operation ${name}`);
  }
}

async function verify(signal: AbortSignal, channel: Channel, exchange: Exchange): Promise<OperationAnswer> {
  const message = { topic: 'pushmill-verify', data: { verify: '1' } };
  const { outcome, fields } = await exchange.ask(
    exchange.hosts.send,
    { path: sendPath(channel), body: JSON.stringify({ validate_only: true, message }), hidden: [] },
    signal,
  );
  if (outcome.kind !== 'accepted') return { outcome: withoutToken(outcome) };
  const projectId = channel.settings.projectId ?? channel.credential.projectId;
  return {
    outcome: { kind: 'accepted', detail: 'FCM took the service account and would send for the project.' },
    result: { projectId, answer: takenId(fields ?? {}) ?? '' },
  };
}

/** @see  Instance ID server reference, "Manage relationship maps for multiple app instances" */
async function change(
  method: 'batchAdd' | 'batchRemove',
  { topic, tokens }: Static<typeof subscription>,
  signal: AbortSignal,
  exchange: Exchange,
): Promise<OperationAnswer> {
  const pool = exchange.hosts.iid;
  if (pool === undefined) return { outcome: noManagement };
  const { outcome, fields } = await exchange.ask(
    pool,
    {
      path: `/iid/v1:${method}`,
      body: JSON.stringify({ to: `/topics/${bareTopic(topic)}`, registration_tokens: tokens }),
      // Else the bearer is taken for a server key of old.
      headers: { access_token_auth: 'true' },
      hidden: tokens,
    },
    signal,
  );
  if (outcome.kind !== 'accepted') return { outcome: withoutToken(outcome) };
  const results = fields?.results;
  if (!Array.isArray(results) || results.length !== tokens.length) return { outcome: unreadable };
  const refused = results.flatMap((result, index) => refusalOf(result, index));
  return {
    outcome: { kind: 'accepted', detail: `${tokens.length - refused.length} of ${tokens.length} changed.` },
    result: { changed: tokens.length - refused.length, refused },
  };
}

/** By its place in the input: a token in an answer would go into logs. */
function refusalOf(result: unknown, index: number): JsonObject[] {
  const error = isObject(result) ? result.error : undefined;
  if (error === undefined) return [];
  const code = typeof error === 'string' && /^\w{1,64}$/.test(error) ? error : 'UNKNOWN';
  const { isDead, meaning } = subscriptionErrors.get(code) ?? {
    isDead: false,
    meaning: 'for an unlisted reason',
  };
  return [{ index, code, isDead, meaning }];
}

const unreadable: Outcome = {
  kind: 'unavailable',
  code: 'unreadable-answer',
  detail: 'Google said yes, and its answer does not tell what became of each token.',
  mayHaveArrived: true,
};

const noManagement: Outcome = {
  kind: 'rejected',
  code: 'no-management',
  detail: 'The channel reaches an emulator, and its setting iidOrigin names no host for subscriptions.',
};
