export const messageClasses = ['transactional', 'marketing'] as const;
/** Chooses the lane, and each vendor's category, channel and importance. */
export type MessageClass = (typeof messageClasses)[number];

export const lanes = ['urgent', 'bulk'] as const;
export type Lane = (typeof lanes)[number];

export function laneOf(messageClass: MessageClass): Lane {
  return messageClass === 'transactional' ? 'urgent' : 'bulk';
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
