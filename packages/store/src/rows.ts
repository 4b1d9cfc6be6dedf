import type {
  Audience,
  Lane,
  LocalTime,
  MessageContent,
  PushRef,
  PushState,
  ReplayableState,
} from '@pushmill/core';

export interface App {
  id: string;
  name: string;
}

export type KeyRole = 'producer' | 'operator';

export interface ApiKey {
  id: string;
  appId: string;
  name: string;
  role: KeyRole;
  createdAt: Date;
  revokedAt: Date | null;
}

export type ChannelState = 'on' | 'paused';

/** Why a channel stands still: the vendor's words, or an operator's. */
export interface PausedReason {
  code: string;
  detail: string;
  by: 'pushmill' | 'operator';
  at: string;
}

/** A channel without its credential; what every role but the worker and the receipts service sees. */
export interface ChannelRow {
  id: string;
  appId: string;
  name: string;
  vendor: string;
  state: ChannelState;
  pausedReason: PausedReason | null;
  settings: Record<string, unknown>;
  policy: Record<string, unknown>;
  /** What may be told of the credential. */
  credentialShown: Record<string, unknown>;
  callbackKey: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** With its credential opened: secret. */
export interface OpenedChannel extends ChannelRow {
  credential: unknown;
}

export interface NewChannel {
  appId: string;
  name: string;
  vendor: string;
  settings: Record<string, unknown>;
  policy?: Record<string, unknown>;
  credential: unknown;
  credentialShown: Record<string, unknown>;
}

export interface ChannelChange {
  settings?: Record<string, unknown>;
  policy?: Record<string, unknown>;
  /** Both or neither. */
  credential?: unknown;
  credentialShown?: Record<string, unknown>;
}

/** One recipient that passed validation; its place in the list is the push's number. */
export interface Recipient {
  channelId: string;
  /** Empty for an audience. */
  token: string;
  /** Which of the vendor's environments the device is filed under; the channel's own when absent. */
  environment?: string | undefined;
  audience?: Audience | undefined;
  /** Not before this moment, and null for at once, in place of what its message says. */
  dueAt?: Date | null | undefined;
  /** Its own end, in place of its message's. */
  expiresAt?: Date | undefined;
  /** Where its device's clock is, for a message with quiet hours. */
  timeZone?: string | undefined;
}

export interface NewMessage {
  id: string;
  appId: string;
  content: MessageContent;
  lane: Lane;
  /** Not before this moment; null for at once. Of recipients with moments of their own, the first. */
  sendAt: Date | null;
  /** The end of what is due first. */
  expiresAt: Date;
  localTime?: LocalTime | undefined;
  recipients: readonly Recipient[];
  /** The answer is kept with the message, so that the same key gets the same answer. */
  idempotency?: { key: string; bodyHash: Buffer; response: unknown };
}

export type Accepted =
  | { kind: 'stored' }
  /** The key was used before with the same body; `response` is what was answered then. */
  | { kind: 'replayed'; response: unknown }
  /** The key was used before with another body. */
  | { kind: 'conflict' };

/** A batch whose time has come and that was marked for the queue. */
export interface DueBatch {
  id: string;
  run: number;
  channelId: string;
  lane: Lane;
}

/** What became of a group of messages. */
export interface AcceptedGroup {
  /** One a message, in order. */
  answers: Accepted[];
  /** Marked for the queue in the same moment: who brought them must add them to it. */
  enqueued: DueBatch[];
  /** Channels with batches that are due and have to wait for room in the queue. */
  crowded: string[];
}

export interface MessageRow {
  id: string;
  content: MessageContent;
  pushCount: number;
  /** When the first of its pushes is due; null for at once. */
  sendAt: Date | null;
  /** The end of what is due first. */
  expiresAt: Date;
  localTime: LocalTime | null;
  cancelledAt: Date | null;
  pausedAt: Date | null;
  counts: Partial<Record<PushState, number>>;
}

export interface PushRow extends PushRef {
  channelId: string;
  channel: string;
  vendor: string;
  token: string;
  environment: string | null;
  audience: Audience | null;
  state: PushState;
  attempts: number;
  code: string | null;
  detail: string | null;
  vendorMessageId: string | null;
  updatedAt: Date;
  /** When an operator had it sent again after it was given up, each time; null for never. */
  replayedAt: Date[] | null;
}

export interface AttemptRow {
  at: Date;
  durationMs: number;
  kind: string;
  code: string | null;
  detail: string | null;
  vendorMessageId: string | null;
  action: string;
  delayMs: number | null;
}

export interface ReceiptRow {
  receivedAt: Date;
  proof: string;
  state: PushState | null;
  code: string;
  detail: string;
}

/** A push that was given up, with its last outcome. */
export interface DeadLetterRow extends PushRef {
  channel: string;
  vendor: string;
  state: ReplayableState;
  /** When it was given up. */
  at: Date;
  /** Of the last outcome. */
  kind: string;
  code: string | null;
  detail: string | null;
}

export interface DeadLetterGroup {
  channel: string;
  vendor: string;
  code: string | null;
  count: number;
  oldestAt: Date;
  newestAt: Date;
}

/** What the vendor told about the call that carried a push. */
export interface TaskRow {
  id: string;
  pushes: number;
  /** Null before it was asked. */
  polledAt: Date | null;
  code: string | null;
  detail: string | null;
  counts: Record<string, number> | null;
  /** When it will be asked next; null when nothing more will be told. */
  nextPollAt: Date | null;
}

export interface StrayReceiptRow {
  id: string;
  channel: string;
  vendor: string;
  receivedAt: Date;
  result: 'refused' | 'unreadable' | 'unmatched';
  code: string;
  detail: string;
}

/** A page and where the next one starts; undefined at the end. */
export interface Page<T> {
  items: T[];
  nextCursor: string | undefined;
}

export interface PushFilter {
  state?: PushState | undefined;
  vendor?: string | undefined;
  channel?: string | undefined;
  token?: string | undefined;
  /** To the tokens that this user's devices have now. */
  user?: string | undefined;
  code?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  cursor?: string | undefined;
  limit: number;
}
