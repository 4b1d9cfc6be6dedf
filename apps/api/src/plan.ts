import { type FieldProblem, laneOf, type MessageContent, newId } from '@pushmill/core';
import type { ChannelRow, NewMessage, Recipient } from '@pushmill/store';
import type { PublicCredential, Vendor } from '@pushmill/vendors';
import type { Static } from 'typebox';
import { defaultTtlSeconds, type MessageBody, maxRecipients, type RejectedSchema } from './message-schema.ts';
import { fieldsProblem, type ProblemError } from './problem.ts';

export type Rejected = Static<typeof RejectedSchema>;

export type Plan =
  | { kind: 'planned'; message: Omit<NewMessage, 'idempotency'>; rejected: Rejected[] }
  | { kind: 'refused'; problem: ProblemError };

export interface PlanDeps {
  appId: string;
  channels: ReadonlyMap<string, ChannelRow>;
  vendors: Readonly<Record<string, Vendor>>;
  /** Milliseconds since the epoch. */
  now: number;
}

const MAX_AHEAD_MS = 30 * 86_400_000;
/** Clocks differ, and a request may be repeated: a moment just past still means "now". */
const MAX_PAST_MS = 10 * 60_000;

/** The channels that a message names. */
export function channelsOf(body: MessageBody): Set<string> {
  return new Set(body.to.flatMap(({ channel }) => (channel === undefined ? [] : [channel])));
}

/**
 * What a message of the right form becomes: the pushes that can be sent, numbered, and the recipients that
 * cannot, each with its reason. Refused when its parts contradict each other or nothing of it can be sent. Pure,
 * but for the new message's id.
 */
export function planMessage(body: MessageBody, deps: PlanDeps): Plan {
  const time = planTime(body, deps.now);
  const contradictions = [...contradictionsOf(body), ...('problem' in time ? [time.problem] : [])];
  if (contradictions.length > 0 || 'problem' in time) {
    return { kind: 'refused', problem: fieldsProblem('invalid-message', contradictions) };
  }
  const content = contentOf(body);
  const { recipients, rejected } = planRecipients(body, content, deps);
  if (recipients.length > maxRecipients) {
    const detail = `to names ${recipients.length} tokens; at most ${maxRecipients} go into one message.`;
    const problem = fieldsProblem('invalid-message', [{ pointer: '/to', code: 'too-many', detail }]);
    return { kind: 'refused', problem };
  }
  if (recipients.length === 0) {
    const errors = rejected.map(({ pointer, code, detail }) => ({ pointer, code, detail }));
    return { kind: 'refused', problem: fieldsProblem('nothing-sendable', distinct(errors).slice(0, 100)) };
  }
  const message = { id: newId(), appId: deps.appId, content, lane: laneOf(body.class), ...time, recipients };
  return { kind: 'planned', message, rejected };
}

function contentOf(body: MessageBody): MessageContent {
  return {
    notification: (body.notification ?? null) as MessageContent['notification'],
    data: body.data ?? null,
    class: body.class,
    priority: body.priority ?? (body.class === 'transactional' ? 'high' : 'normal'),
    collapseKey: body.collapseKey ?? null,
    vendor: body.vendor ?? {},
  };
}

/** What no single field can be blamed for by a schema. */
function contradictionsOf(body: MessageBody): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const click = body.notification?.click;
  if (click?.type === 'url' && click.url === undefined) {
    problems.push(required('/notification/click/url', 'notification.click.url is required with type url.'));
  }
  if (click?.type === 'screen' && click.name === undefined) {
    problems.push(
      required('/notification/click/name', 'notification.click.name is required with type screen.'),
    );
  }
  if (!body.notification && !body.data && Object.keys(body.vendor ?? {}).length === 0) {
    problems.push(required('/notification', 'The message is empty: give it a notification, data or both.'));
  }
  return problems;
}

function required(pointer: string, detail: string): FieldProblem {
  return { pointer, code: 'required', detail };
}

function planTime(
  body: MessageBody,
  now: number,
): { sendAt: Date | null; expiresAt: Date } | { problem: FieldProblem } {
  const lifeMs = (body.ttlSeconds ?? defaultTtlSeconds) * 1_000;
  if (body.sendAt === undefined || body.sendAt === null) {
    return { sendAt: null, expiresAt: new Date(now + lifeMs) };
  }
  const at = Date.parse(body.sendAt);
  const pointer = '/sendAt';
  if (Number.isNaN(at)) {
    return { problem: { pointer, code: 'wrong-format', detail: 'sendAt is not a moment that exists.' } };
  }
  if (at < now - MAX_PAST_MS) {
    return { problem: { pointer, code: 'too-small', detail: 'sendAt is in the past.' } };
  }
  if (at > now + MAX_AHEAD_MS) {
    return { problem: { pointer, code: 'too-large', detail: 'sendAt is more than 30 days ahead.' } };
  }
  const start = Math.max(at, now);
  return { sendAt: at > now ? new Date(at) : null, expiresAt: new Date(start + lifeMs) };
}

function planRecipients(
  body: MessageBody,
  content: MessageContent,
  deps: PlanDeps,
): { recipients: Recipient[]; rejected: Rejected[] } {
  const recipients: Recipient[] = [];
  const rejected: Rejected[] = [];
  const seen = new Set<string>();
  // A message is checked once for a channel, however many entries name it.
  const refusals = new Map<string, FieldProblem[]>();
  body.to.forEach((entry, index) => {
    const reject = (pointer: string, code: string, detail: string) => {
      rejected.push({ index, pointer, code, detail });
    };
    const at = `/to/${index}`;
    if (entry.user !== undefined || entry.tag !== undefined) {
      const field = entry.user === undefined ? 'tag' : 'user';
      reject(
        `${at}/${field}`,
        'not-available',
        `to.${index}.${field}: sending by ${field} is not available yet.`,
      );
      return;
    }
    if (entry.channel === undefined) {
      reject(`${at}/channel`, 'required', `to.${index}.channel is required.`);
      return;
    }
    if ((entry.token === undefined) === (entry.tokens === undefined)) {
      reject(`${at}/token`, 'required', `to.${index} needs either token or tokens.`);
      return;
    }
    const channel = deps.channels.get(entry.channel);
    const vendor = channel && deps.vendors[channel.vendor];
    if (!channel || !vendor) {
      reject(`${at}/channel`, 'unknown-channel', `to.${index}.channel: the app has no channel of this name.`);
      return;
    }
    let refused = refusals.get(channel.id);
    if (!refused) {
      refused = vendor.checkMessage(content, channel.settings, channel.credentialShown as PublicCredential);
      refusals.set(channel.id, refused);
    }
    if (refused.length > 0) {
      for (const { pointer, code, detail } of refused) reject(pointer, code, detail);
      return;
    }
    const tokens = entry.tokens ?? [entry.token as string];
    tokens.forEach((token, place) => {
      const pointer = entry.tokens ? `${at}/tokens/${place}` : `${at}/token`;
      const wrong = vendor.checkToken(token, channel.settings);
      if (wrong !== undefined) {
        reject(pointer, 'wrong-token-form', `${pointer.slice(1).replaceAll('/', '.')}: ${wrong}`);
        return;
      }
      const address = `${channel.id} ${token}`;
      if (seen.has(address)) {
        const name = pointer.slice(1).replaceAll('/', '.');
        reject(pointer, 'duplicate-recipient', `${name} is in the message already; it is sent once.`);
        return;
      }
      seen.add(address);
      recipients.push({ channelId: channel.id, token });
    });
  });
  return { recipients, rejected };
}

/** Two entries of one channel are refused by the same words; once is enough. */
function distinct(problems: readonly FieldProblem[]): FieldProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ pointer, code }) => {
    const name = `${pointer} ${code}`;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
