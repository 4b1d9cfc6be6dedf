/** A push that was given up, with its last outcome. */
export interface DeadLetter {
  pushId: string;
  channel: string;
  vendor: string;
  /** unknown: sent and never answered, so it may have arrived. */
  state: 'failed' | 'unknown';
  /** What the last attempt concluded. */
  kind: string;
  code: string | null;
  detail: string | null;
  /** When it was given up. */
  at: string;
}

export interface DeadLetterFilter {
  channel?: string;
  vendor?: string;
  code?: string;
  state?: DeadLetter['state'];
  /** When it was given up; ISO 8601. */
  from?: string;
  to?: string;
}

/** Which ones: by push ids (at most 1,000), by a filter with something in it, or all in so many words. */
export type DeadLetterSelection = { ids: readonly string[] } | { filter: DeadLetterFilter } | { all: true };

export interface DeadLetterSummary {
  count: number;
  groups: {
    channel: string;
    vendor: string;
    code: string | null;
    count: number;
    oldestAt: string;
    newestAt: string;
  }[];
}

interface Progress {
  /** Letters of the selection that are still there. */
  remaining: number;
  /** One call does a part of so many: repeat it for the next. */
  more: boolean;
}

export interface ReplayedLetters extends Progress {
  replayed: number;
  /** Why the remaining ones cannot be replayed, once there is no more. */
  hindered: Partial<Record<'cancelled' | 'channel-removed' | 'suppressed' | 'gone', number>>;
}

export interface DroppedLetters extends Progress {
  dropped: number;
}

/** Pushes that were given up for a reason that somebody may mend. Needs an operator's key. */
export interface DeadLetters {
  /** The latest given up first, page by page as they are read. */
  list(filter?: DeadLetterFilter & { limit?: number }): AsyncIterable<DeadLetter>;
  /** How many there are, by channel and code; the most frequent first. */
  summary(filter?: DeadLetterFilter): Promise<DeadLetterSummary>;
  /**
   * Sends them again: the same pushes, with all their attempts anew.
   * @param options.ttlSeconds  from now; as long as their message had when absent
   */
  replay(which: DeadLetterSelection, options?: { ttlSeconds?: number }): Promise<ReplayedLetters>;
  /** Forgets them; their pushes stay as they are. */
  drop(which: DeadLetterSelection): Promise<DroppedLetters>;
}

/** Ten thousand pushes in one transaction. */
const TIMEOUT_MS = 60_000;

/** The calls about dead letters, over the calls that all parts of the client share. */
export function createDeadLetters(api: {
  json<T>(call: {
    method: 'GET' | 'POST';
    path: string;
    query?: object;
    body?: unknown;
    timeoutMs?: number;
  }): Promise<T>;
  pages<T>(path: string, query?: object): AsyncIterable<T>;
}): DeadLetters {
  const post = <T>(path: string, body: object) =>
    api.json<T>({ method: 'POST', path, body, timeoutMs: TIMEOUT_MS });
  return {
    list: (filter) => api.pages('/v1/dead-letters', filter),
    summary: (query = {}) => api.json({ method: 'GET', path: '/v1/dead-letters/summary', query }),
    replay: (which, options) => post('/v1/dead-letters/replay', { ...which, ...options }),
    drop: (which) => post('/v1/dead-letters/drop', which),
  };
}
