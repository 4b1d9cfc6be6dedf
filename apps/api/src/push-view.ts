import { type Audience, formatPushId, timeOfId } from '@pushmill/core';
import type { AttemptRow, PushRow, ReceiptRow, TaskRow } from '@pushmill/store';
import { type Static, Type } from 'typebox';
import type { Caller } from './authentication.ts';
import { nullable, oneOf, PushId, PushStateName, strict, Time, Uuid } from './schema.ts';

const NullableText = nullable(Type.String());

export const PushSchema = strict({
  id: PushId,
  messageId: Uuid,
  channel: Type.String(),
  vendor: Type.String(),
  token: Type.String({ description: 'Shortened for a person at the dashboard; empty for an audience' }),
  environment: nullable(
    Type.String({ description: 'Where the token is filed, if not where the channel says' }),
  ),
  audience: nullable(Type.Record(Type.String(), Type.Unknown())),
  state: PushStateName,
  attempts: Type.Integer(),
  code: nullable(Type.String({ description: "The vendor's last word, or ours" })),
  detail: NullableText,
  vendorMessageId: NullableText,
  createdAt: Time,
  updatedAt: Time,
});

const StepSchema = strict(
  {
    at: Time,
    type: oneOf(['queued', 'attempt', 'receipt', 'replayed', 'settled']),
    state: Type.Optional(nullable(PushStateName)),
    kind: Type.Optional(Type.String({ description: 'What the attempt concluded' })),
    code: Type.Optional(NullableText),
    detail: Type.Optional(NullableText),
    vendorMessageId: Type.Optional(NullableText),
    durationMs: Type.Optional(Type.Integer()),
    action: Type.Optional(Type.String({ description: 'What was decided after the attempt' })),
    delayMs: Type.Optional(nullable(Type.Integer())),
    proof: Type.Optional(
      Type.String({
        description: 'signature: verified; secret-url: the vendor signs nothing; polled: we asked it',
      }),
    ),
    verified: Type.Optional(Type.Boolean()),
  },
  {
    description:
      'queued; an attempt with the vendor’s words; a receipt with its proof; replayed by an operator; settled without an attempt',
  },
);

const TaskSchema = strict(
  {
    id: Type.String(),
    pushes: Type.Integer({ description: 'Of pushmill that the call carried' }),
    code: NullableText,
    detail: NullableText,
    counts: Type.Unsafe<Record<string, number> | null>({
      type: ['object', 'null'],
      additionalProperties: { type: 'number' },
      description: 'What the vendor counted, by its own names',
    }),
    polledAt: nullable(Time),
    nextPollAt: nullable(Time),
  },
  { description: 'What the vendor told, when asked, of the call that carried the push and maybe others' },
);

export const PushWithTimelineSchema = strict({
  ...PushSchema.properties,
  timeline: Type.Array(StepSchema),
  task: nullable(TaskSchema),
});

export function viewTask(row: TaskRow | undefined): Static<typeof TaskSchema> | null {
  if (!row) return null;
  const { polledAt, nextPollAt, ...task } = row;
  return {
    ...task,
    polledAt: polledAt?.toISOString() ?? null,
    nextPollAt: nextPollAt?.toISOString() ?? null,
  };
}

type PushView = Static<typeof PushSchema>;
type Step = Static<typeof StepSchema>;

/** A push as the api shows it: the whole token to who knows it anyway, its ends to a person at a screen. */
export function viewPush(row: PushRow, caller: Pick<Caller, 'via'>): PushView {
  return {
    id: formatPushId(row),
    messageId: row.messageId,
    channel: row.channel,
    vendor: row.vendor,
    token: caller.via === 'key' ? row.token : shortToken(row.token),
    environment: row.environment,
    audience: row.audience && (caller.via === 'key' ? row.audience : shortAudience(row.audience)),
    state: row.state,
    attempts: row.attempts,
    code: row.code,
    detail: row.detail,
    vendorMessageId: row.vendorMessageId,
    createdAt: timeOfId(row.messageId).toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** Enough of a token to recognise it, too little to use it. */
export function shortToken(token: string): string {
  return token.length < 20 ? `${token.slice(0, 3)}…` : `${token.slice(0, 8)}…${token.slice(-4)}`;
}

/** Lists can hold tokens and accounts; a person at a screen sees how many. */
function shortAudience(audience: Audience): Audience {
  const entries = Object.entries(audience).map(([key, value]) => [
    key,
    Array.isArray(value) ? `${value.length} entries` : value,
  ]);
  return Object.fromEntries(entries) as Audience;
}

/** What happened to a push, in order of time. */
export function timelineOf(found: {
  push: PushRow;
  attempts: readonly AttemptRow[];
  receipts: readonly ReceiptRow[];
}): Step[] {
  const { push, attempts, receipts } = found;
  const steps: Step[] = [
    ...attempts.map((attempt): Step => ({ ...attempt, at: attempt.at.toISOString(), type: 'attempt' })),
    ...receipts.map(
      ({ receivedAt, ...receipt }): Step => ({
        ...receipt,
        at: receivedAt.toISOString(),
        type: 'receipt',
        // What we asked ourselves, over TLS, needs no signature.
        verified: receipt.proof !== 'secret-url',
      }),
    ),
    ...(push.replayedAt ?? []).map((at): Step => ({ at: at.toISOString(), type: 'replayed' })),
  ];
  steps.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  steps.unshift({ at: timeOfId(push.messageId).toISOString(), type: 'queued' });
  if (push.state === 'cancelled' || push.state === 'suppressed' || push.state === 'expired') {
    const { state, code, detail } = push;
    steps.push({ at: push.updatedAt.toISOString(), type: 'settled', state, code, detail });
  }
  return steps;
}
