export const messageClasses = ['transactional', 'marketing'] as const;
/** Chooses the lane, and each vendor's category, channel and importance. */
export type MessageClass = (typeof messageClasses)[number];

export const lanes = ['urgent', 'bulk'] as const;
export type Lane = (typeof lanes)[number];

export function laneOf(messageClass: MessageClass): Lane {
  return messageClass === 'transactional' ? 'urgent' : 'bulk';
}

/** A batch is of one lane, and so of one class. */
export function classOf(lane: Lane): MessageClass {
  return lane === 'urgent' ? 'transactional' : 'marketing';
}

export type ClickAction =
  | { type: 'url'; url: string }
  /** A screen of the app, by the app's own name for it. */
  | { type: 'screen'; name: string }
  | { type: 'app' };

/** What a person sees. Null means the same as absent. */
export interface Notification {
  title?: string | null;
  body?: string | null;
  imageUrl?: string | null;
  badge?: number | null;
  sound?: string | null;
  click?: ClickAction | null;
}

/** A message as vendors need it: neutral fields, plus the overrides meant for one vendor. */
export interface MessageContent {
  notification?: Notification | null;
  data?: Readonly<Record<string, string>> | null;
  class: MessageClass;
  priority: 'high' | 'normal';
  collapseKey?: string | null;
  /** Overrides by vendor name; each vendor's schema says what its own may hold. */
  vendor?: Readonly<Record<string, unknown>>;
}

/** Whom a vendor is to find itself: everybody, a tag, a list of accounts. What else it holds is the vendor's. */
export type Audience = Readonly<Record<string, unknown>> & { kind: string };
