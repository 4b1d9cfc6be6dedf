import type { IncomingHttpHeaders } from 'node:http';

export interface PoolRequest {
  /** Default `POST`. */
  method?: string;
  path: string;
  /** Lower-case names, printable ASCII values. */
  headers: Readonly<Record<string, string>>;
  body?: Uint8Array | string;
  /** Takes the request out of the line, or cancels its stream. */
  signal?: AbortSignal;
  /** Counted from the moment the request is written, not while it waits. Default: the pool's `requestTimeoutMs`. */
  timeoutMs?: number;
}

export interface PoolResponse {
  status: number;
  /** Names in lower case. Pseudo headers may be among them. */
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** The connection that answered; `retire` takes it. */
  sessionId: string;
}

// node:http2 drops the high byte of every UTF-16 unit without an error: `あ` leaves as `B`, `Ċ` as a line
// feed, so that two different keys become one or the header vanishes. Only what survives is let through.
const unprintable = /[^\x20-\x7e]/;
const unfitPath = /[^\x21-\x7e]/;

/** The last good value of each header: most are the same from request to request, a long provider token among them. */
const lastGood = new Map<string, string>();

/** @throws TypeError naming the header (never its value, which may be a secret) */
export function check(request: PoolRequest): void {
  const { headers, path } = request;
  if (path.charCodeAt(0) !== 0x2f || unfitPath.test(path))
    throw new TypeError('A request path is printable ASCII from `/` on');
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && lastGood.get(name) === value) continue;
    if (typeof value !== 'string' || unprintable.test(value)) {
      throw new TypeError(`Header ${name} is not printable ASCII`);
    }
    lastGood.set(name, value);
  }
}
