import type { Outcome } from '@pushmill/core';
import type { PoolResponse } from '@pushmill/http2';
import { isObject, type JsonObject, parseObject, serverTime, soften, textOf } from '../answer-reading.ts';
import {
  fcmCodes,
  googleStatuses,
  quotaDelayMs,
  type Row,
  reasonHints,
  rowOfStatus,
  serverErrorDelayMs,
} from './errors.ts';

/** What an answer concludes, before it is known how far it can be believed. */
export interface Verdict {
  outcome: Outcome;
  /** What the answer blames and what must be proven first; `token`: that it is no token at all. */
  fault?: 'authorization' | 'token' | 'sender';
  /** For a person, once. */
  warning?: string;
  /** Of a call that was taken. */
  fields?: JsonObject;
}

/** The message id within the project, by which BigQuery's export and the console know it. */
export function takenId(fields: JsonObject): string | undefined {
  const name = textOf(fields.name);
  return name === undefined ? undefined : name.slice(name.lastIndexOf('/') + 1).slice(0, 200);
}

const taken: Outcome = { kind: 'accepted' };

/** Without the care for long numbers, which an answer that says yes does not have: every push pays for this. */
function plainObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** An answer with status 200. */
export function readTaken(response: PoolResponse): Verdict {
  const fields = plainObject(response.body.toString('utf8'));
  if (fields !== undefined) return { outcome: taken, fields };
  return {
    outcome: {
      kind: 'unavailable',
      code: 'unreadable-answer',
      detail: 'The answer says yes, and it is not of the form that Google describes.',
      mayHaveArrived: true,
    },
    warning: 'fcm gave an answer that cannot be read',
  };
}

/**
 * Reads an answer with any other status.
 * @param hidden  texts that must not come back in a detail: tokens
 * @param now     milliseconds since the epoch
 * @see   Firebase, "FCM error codes"
 */
export function readRefusal(response: PoolResponse, hidden: readonly string[], now: number): Verdict {
  const said = readError(response);
  const listed =
    said.fcmCode === undefined ? googleStatuses.get(said.status ?? '') : fcmCodes.get(said.fcmCode);
  const row = listed ?? rowOfStatus(response.status, said.isGoogle);
  const code = codeOf(said) ?? `http-${response.status}`;
  const hint = reasonHints.get(said.reason ?? '');
  // To a refused APNs key FCM has been seen to answer with the words for a missing access token.
  const isMisleading = row.kind === 'rejected' && row.alarm === true && /OAuth/i.test(said.words);
  const words = soften([isMisleading ? '' : said.words, said.apns].filter(Boolean).join('; '), hidden);
  const detail = [hint === undefined ? row.meaning : `${row.meaning}: ${hint}`, words || undefined]
    .filter((part) => part !== undefined)
    .join(': ')
    .slice(0, 400);
  const verdict: Verdict = { outcome: outcomeOf(row, code, detail, said, response, now) };
  const isTokensFault = row.kind === 'rejected' && blamesToken(said);
  const fault = isTokensFault ? 'token' : 'fault' in row ? row.fault : undefined;
  if (fault !== undefined) verdict.fault = fault;
  if (row.kind === 'rejected' && row.alarm === true) verdict.warning = row.meaning;
  else if (listed === undefined && said.isGoogle) verdict.warning = 'fcm gave a code that has no row';
  return verdict;
}

function outcomeOf(
  row: Row,
  code: string,
  detail: string,
  said: Said,
  response: PoolResponse,
  now: number,
): Outcome {
  const askedMs = retryDelay(response, now);
  switch (row.kind) {
    case 'token-dead':
    case 'rejected':
    case 'misconfigured':
      return { kind: row.kind, code, detail };
    case 'throttled':
      // A device is refilled at once, a project or topic by the minute.
      return said.isDeviceQuota
        ? { kind: 'throttled', code, detail, scope: 'token', retryAfterMs: askedMs ?? serverErrorDelayMs }
        : { kind: 'throttled', code, detail, scope: 'channel', retryAfterMs: askedMs ?? quotaDelayMs };
    case 'unavailable': {
      const { mayHaveArrived } = row;
      const retryAfterMs = Math.max(askedMs ?? 0, serverErrorDelayMs);
      return { kind: 'unavailable', code, detail, mayHaveArrived, retryAfterMs };
    }
    default:
      return row satisfies never;
  }
}

interface Said {
  /** Whether it has the form of Google's errors; else something on the way spoke. */
  isGoogle: boolean;
  words: string;
  /** google.rpc.Code */
  status?: string;
  /** Of an FcmError. */
  fcmCode?: string;
  /** Of an ErrorInfo. */
  reason?: string;
  /** What APNs said to FCM. */
  apns?: string;
  /** Paths of the fields that were wrong. */
  wrongFields: string[];
  isDeviceQuota: boolean;
}

function readError(response: PoolResponse): Said {
  const said: Said = { isGoogle: false, words: '', wrongFields: [], isDeviceQuota: false };
  const error = parseObject(response.body.toString('utf8'))?.error;
  // Topic management has answered with a bare text, too.
  if (typeof error === 'string') return { ...said, isGoogle: true, words: error };
  if (!isObject(error)) return { ...said, words: `HTTP ${response.status}` };
  said.isGoogle = true;
  said.words = textOf(error.message) ?? '';
  const status = wordOf(error.status);
  if (status !== undefined) said.status = status;
  for (const detail of Array.isArray(error.details) ? error.details : []) {
    if (isObject(detail)) readDetail(detail, said);
  }
  return said;
}

function readDetail(detail: JsonObject, said: Said): void {
  const type = String(detail['@type']).split('/').at(-1);
  switch (type) {
    case 'google.firebase.fcm.v1.FcmError': {
      const code = wordOf(detail.errorCode);
      if (code !== undefined && code !== 'UNSPECIFIED_ERROR') said.fcmCode = code;
      break;
    }
    case 'google.firebase.fcm.v1.ApnsError':
      said.apns = `APNs said ${wordOf(detail.reason) ?? ''} (${textOf(detail.statusCode) ?? '?'})`;
      break;
    case 'google.rpc.BadRequest':
      for (const { field } of objectsOf(detail.fieldViolations)) said.wrongFields.push(String(field));
      break;
    case 'google.rpc.QuotaFailure':
      said.isDeviceQuota ||= objectsOf(detail.violations).some(({ subject, description }) =>
        /device/i.test(`${subject} ${description}`),
      );
      break;
    case 'google.rpc.ErrorInfo': {
      const reason = wordOf(detail.reason);
      if (reason !== undefined) said.reason = reason;
      break;
    }
  }
}

/** Nothing but the device token: a violation elsewhere would condemn a token for a message that no token gets. */
function blamesToken({ fcmCode, status, wrongFields, words }: Said): boolean {
  if ((fcmCode ?? status) !== 'INVALID_ARGUMENT') return false;
  if (wrongFields.length > 0)
    return wrongFields.every((field) => field === 'message.token' || field === 'message.fid');
  return /^The registration token is not a valid FCM registration token/i.test(words);
}

/** What stands in the ledger: the narrowest word. */
function codeOf({ fcmCode, reason, status }: Said): string | undefined {
  return fcmCode ?? (status === 'PERMISSION_DENIED' ? reason : undefined) ?? status;
}

/** Of a `Retry-After` in seconds or as a date, which is read by the clock of whoever sent it. */
export function retryDelay(response: PoolResponse, now: number): number | undefined {
  const value = response.headers['retry-after'];
  if (value === undefined) return undefined;
  const delayMs = /^\d{1,6}$/.test(value)
    ? Number(value) * 1_000
    : Date.parse(value) - (serverTime(response) ?? now);
  return Number.isFinite(delayMs) && delayMs >= 0 ? Math.min(delayMs, 3_600_000) : undefined;
}

function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : undefined;
}

function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
