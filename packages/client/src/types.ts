export type MessageClass = 'transactional' | 'marketing';

export type PushState =
  | 'queued'
  | 'accepted'
  | 'delivered'
  | 'displayed'
  | 'clicked'
  | 'failed'
  | 'expired'
  | 'cancelled'
  | 'suppressed'
  | 'dropped'
  | 'unknown';

export type ClickAction = { type: 'url'; url: string } | { type: 'screen'; name: string } | { type: 'app' };

export type Recipient =
  | { channel: string; token: string; environment?: string }
  | { channel: string; tokens: readonly string[]; environment?: string }
  /** Devices that the vendor finds itself; `vendors.get` has the forms. */
  | { channel: string; audience: { kind: string; [more: string]: unknown } }
  /** Registered devices; with a channel, only those on it. */
  | { user: string; channel?: string }
  | { tag: string; channel?: string }
  | { device: string; channel?: string };

/** As a clock shows them, over midnight too: `{ from: '22:00', to: '08:00' }`. */
export interface QuietHours {
  from: string;
  to: string;
}

/** The body of `POST /v1/messages`; see `/docs` of your installation for every field. */
export interface MessageRequest {
  notification?: {
    title?: string | null;
    body?: string | null;
    imageUrl?: string | null;
    badge?: number | null;
    sound?: string | null;
    click?: ClickAction | null;
  } | null;
  data?: Record<string, string> | null;
  /** Required: it chooses the lane and each vendor's category. */
  class: MessageClass;
  to: readonly Recipient[];
  ttlSeconds?: number;
  priority?: 'high' | 'normal';
  collapseKey?: string | null;
  /** ISO 8601; null for at once. */
  sendAt?: string | null;
  /** In place of `sendAt`: when each device's own clock shows this, e.g. `2026-11-23T09:00`. */
  sendAtLocal?: string | null;
  /** Where `sendAtLocal` was over ten minutes ago: `skip`, if not given, rejects the recipient. */
  ifPassed?: 'skip' | 'send-now' | null;
  /** Marketing only: what falls into these hours at the device waits for their end. */
  quietHours?: QuietHours | null;
  /** With `sendAtLocal` or `quietHours`: of recipients that have no zone of their own; UTC if not given. */
  timeZone?: string | null;
  /** Overrides by vendor name. */
  vendor?: Record<string, unknown>;
  validateOnly?: boolean;
}

/** What a 202 promises: every push of it reaches a terminal state. */
export interface Acceptance {
  id: string;
  state: string;
  /** How many pushes it became. */
  pushes: number;
  /** Recipients that could not be taken, by their index in `to`. */
  rejected: { index: number; pointer?: string; code: string; detail: string }[];
  createdAt: string;
}

/** What became of one message of a batch. */
export type BatchItem =
  | { status: 200 | 202; message: Acceptance; replayed?: boolean }
  | { status: number; problem: { code: string; title: string; detail: string; [more: string]: unknown } };

export interface Message {
  id: string;
  class: MessageClass;
  state: string;
  counts: Partial<Record<PushState, number>>;
  pushes: number;
  createdAt: string;
  /** By local clocks: when the first push is due, and when that one expires. */
  sendAt?: string | null;
  expiresAt: string;
  sendAtLocal?: string | null;
  quietHours?: QuietHours | null;
  timeZone?: string | null;
  cancelledAt?: string | null;
  pausedAt?: string | null;
  [more: string]: unknown;
}

export interface Push {
  /** `<messageId>.<n>` */
  id: string;
  messageId: string;
  channel: string;
  vendor: string;
  /** Empty for an audience. */
  token: string;
  /** Where the token is filed, if not where the channel says. */
  environment: string | null;
  audience: { kind: string; [more: string]: unknown } | null;
  state: PushState;
  code: string | null;
  detail: string | null;
  attempts: number;
  vendorMessageId?: string | null;
  createdAt: string;
  updatedAt: string;
}

/** One thing that happened to a push. */
export interface TimelineEntry {
  at: string;
  /**
   * `attempt` carries the vendor's words, `receipt` how it was proven; `replayed` is an operator's second go at what was
   * given up; `settled` is an end without an attempt.
   */
  type: 'queued' | 'attempt' | 'receipt' | 'replayed' | 'settled';
  state?: PushState | null;
  /** What the attempt concluded. */
  kind?: string;
  code?: string | null;
  detail?: string | null;
  vendorMessageId?: string | null;
  durationMs?: number;
  /** What was decided after the attempt. */
  action?: string;
  delayMs?: number | null;
  proof?: string;
  /** Whether the vendor's signature proved the receipt. */
  verified?: boolean;
}

/** What the vendor told, when asked, of the call that carried a push and maybe others. */
export interface VendorTask {
  id: string;
  /** Of pushmill, that the call carried. */
  pushes: number;
  code: string | null;
  detail: string | null;
  /** What the vendor counted, by its own names. */
  counts: Record<string, number> | null;
  polledAt: string | null;
  /** Null when it is not asked any more. */
  nextPollAt: string | null;
}

export interface PushWithTimeline extends Push {
  timeline: TimelineEntry[];
  /** Null where the vendor is not asked. */
  task: VendorTask | null;
}

export interface PushFilter {
  token?: string;
  /** To the tokens that their devices have now. */
  user?: string;
  channel?: string;
  vendor?: string;
  state?: PushState;
  code?: string;
  /** ISO 8601. */
  from?: string;
  to?: string;
}

export interface Channel {
  name: string;
  vendor: string;
  state: 'on' | 'paused';
  pausedReason?: unknown;
  /** Whether it reaches an emulator and not the vendor. */
  emulator?: boolean;
  settings: Record<string, unknown>;
  /** What may be shown; secrets never come out. */
  credential: { kind: string; expiresAt?: string; [more: string]: unknown };
  /** Where the vendor must call back, for vendors that do. */
  callbackUrl?: string | null;
  createdAt: string;
  updatedAt: string;
  [more: string]: unknown;
}

export interface NewChannel {
  name: string;
  vendor: string;
  settings?: Record<string, unknown>;
  credential: Record<string, unknown>;
  policy?: Record<string, unknown>;
}

/** What is given is changed; a setting of null is taken out. A new address needs the credential again. */
export type ChannelChange = Partial<Omit<NewChannel, 'name' | 'vendor'>>;

export type KeyRole = 'producer' | 'operator';

export interface Key {
  id: string;
  name: string;
  role: KeyRole;
  createdAt: string;
  revokedAt?: string | null;
}

export interface NewKey extends Key {
  /** Shown this once. */
  key: string;
}

/** A callback as it came, and what was made of it. */
export interface Receipt {
  result: 'taken' | 'refused' | 'unreadable' | 'unmatched';
  receivedAt: string;
  channel: string;
  vendor: string;
  code: string;
  detail: string;
  pushId?: string;
  state?: PushState | null;
  proof?: string;
  verified?: boolean;
}

export interface ListPage<T> {
  items: T[];
  nextCursor?: string | null;
}

/** A server-sent event, its data parsed as JSON where it is JSON. */
export interface ServerEvent {
  id: string | undefined;
  /** `message` when the server names none. */
  event: string;
  data: unknown;
}
