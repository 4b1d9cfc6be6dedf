import { type FieldProblem, laneOf, type MessageContent, newId } from '@pushmill/core';
import type { NewMessage } from '@pushmill/store';
import { type MessageBody, maxRecipients } from './message-schema.ts';
import { fieldsProblem, type ProblemError } from './problem.ts';
import { planRecipients, type RecipientDeps, type Rejected } from './recipients.ts';
import { planTime } from './timetable.ts';
import { fieldName } from './validation.ts';

export type Plan =
  | { kind: 'planned'; message: Omit<NewMessage, 'idempotency'>; rejected: Rejected[] }
  | { kind: 'refused'; problem: ProblemError };

export interface PlanDeps extends Omit<RecipientDeps, 'slotOf'> {
  appId: string;
  /** Milliseconds since the epoch. */
  now: number;
}

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
  const contradictions = [...contradictionsOf(body), ...('problems' in time ? time.problems : [])];
  if (contradictions.length > 0 || 'problems' in time) {
    return { kind: 'refused', problem: fieldsProblem('invalid-message', contradictions) };
  }
  const { tooMany: where } = deps.devices;
  if (where !== undefined) return tooMany(where, `means more than ${maxRecipients} devices`);
  const content = contentOf(body);
  const { recipients, rejected } = planRecipients(body.to, content, { ...deps, slotOf: time.slotOf });
  if (recipients.length > maxRecipients) return tooMany('/to', `names ${recipients.length} recipients`);
  if (recipients.length === 0) {
    const errors = rejected.map(({ pointer, code, detail }) => ({ pointer, code, detail }));
    return { kind: 'refused', problem: fieldsProblem('nothing-sendable', distinct(errors).slice(0, 100)) };
  }
  const lane = laneOf(body.class);
  const message = { id: newId(), appId: deps.appId, content, lane, ...time.whole(recipients), recipients };
  return { kind: 'planned', message, rejected };
}

function tooMany(pointer: string, says: string): Plan {
  const detail = `${fieldName(pointer)} ${says}; at most ${maxRecipients} go into one message. Nothing was sent.`;
  const problem = fieldsProblem('invalid-message', [{ pointer, code: 'too-many', detail }]);
  return { kind: 'refused', problem };
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
