import { errorOf, PushmillError } from './errors.ts';

export interface ClientOptions {
  /** `http://127.0.0.1:8080`, of your installation's api. */
  url: string;
  apiKey: string;
  /** For one try of one call. Default 10,000. */
  timeoutMs?: number;
  /** Tries after the first one, on 429, 503 and broken connections. Default 5; 0 for none. */
  maxRetries?: number;
  /** Most that one `Retry-After` may make a call wait; a longer one ends it. Default 60,000. */
  maxRetryAfterMs?: number;
  /** Waits between tries; tests replace it. */
  wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  path: string;
  query?: object;
  body?: unknown;
  idempotencyKey?: string;
  accept?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** For calls that take longer than others; never less than the client's own. */
  timeoutMs?: number;
}

export interface Transport {
  /** The parsed answer; undefined for 204. */
  json<T>(call: Call): Promise<T>;
  /** An open answer to read a stream from; only the headers are under the time limit. */
  stream(call: Call): Promise<Response>;
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>;
}

const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 10_000;

/**
 * HTTP with patience. 429 and 503 are tried again after `Retry-After`, else after a jittered backoff; a broken
 * connection or a time-out only where a second request does no harm: reads, changes to a named thing, and
 * sends, because they carry an `Idempotency-Key`.
 */
export function createTransport(options: ClientOptions): Transport {
  const base = options.url.replace(/\/+$/, '');
  const usualTimeoutMs = options.timeoutMs ?? 10_000;
  const maxRetries = options.maxRetries ?? 5;
  const maxRetryAfterMs = options.maxRetryAfterMs ?? 60_000;
  const wait = options.wait ?? pause;

  async function fetchOnce(call: Call): Promise<Response> {
    const limit = new AbortController();
    const timeoutMs = Math.max(usualTimeoutMs, call.timeoutMs ?? 0);
    const timer = setTimeout(() => limit.abort(new DOMException('timed out', 'TimeoutError')), timeoutMs);
    const signal = call.signal ? AbortSignal.any([limit.signal, call.signal]) : limit.signal;
    try {
      const response = await fetch(base + call.path + queryText(call.query), {
        method: call.method,
        headers: headersOf(call, options.apiKey),
        body: call.body === undefined ? null : JSON.stringify(call.body),
        signal,
      });
      if (response.ok && call.accept === 'text/event-stream') return response;
      // Within the limit: an answer that stops halfway is no answer.
      const text = await response.text();
      return new Response(response.status === 204 ? null : text, response);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      const timedOut = limit.signal.aborted;
      throw new PushmillError({
        status: 0,
        code: timedOut ? 'timeout' : 'unreachable',
        title: 'No answer',
        detail: timedOut
          ? `${base} did not answer within ${timeoutMs} ms.`
          : `${base} cannot be reached: ${reason(error)}.`,
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function patiently(call: Call): Promise<Response> {
    const repeatable = call.method !== 'POST' || call.idempotencyKey !== undefined;
    for (let attempt = 0; ; attempt++) {
      const result = await fetchOnce(call).catch((error: unknown) => {
        if (error instanceof PushmillError) return error;
        throw error;
      });
      if (result instanceof Response && result.ok) return result;
      const error = result instanceof Response ? await errorOf(result) : result;
      const retryAfter = result instanceof Response ? retryAfterMs(result) : undefined;
      const worthIt =
        error.status === 429 ||
        (error.status === 503 && (repeatable || retryAfter !== undefined)) ||
        (error.status === 0 && repeatable);
      if (!worthIt || attempt >= maxRetries || (retryAfter ?? 0) > maxRetryAfterMs) throw error;
      await wait(retryAfter ?? backoffMs(attempt), call.signal);
    }
  }

  return {
    async json<T>(call: Call): Promise<T> {
      const response = await patiently(call);
      return (response.status === 204 ? undefined : await response.json()) as T;
    },
    stream: patiently,
    wait,
  };
}

function headersOf(call: Call, apiKey: string): Record<string, string> {
  return {
    authorization: `Bearer ${apiKey}`,
    accept: call.accept ?? 'application/json',
    ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(call.idempotencyKey === undefined ? {} : { 'idempotency-key': call.idempotencyKey }),
    ...call.headers,
  };
}

function queryText(query: object = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

/** Seconds or an HTTP date. */
function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** Half fixed, half chance, so that many clients do not come back at once. */
function backoffMs(attempt: number): number {
  const ceiling = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}

function reason(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', cut);
      resolve();
    }
    function cut() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    if (signal?.aborted) cut();
    else signal?.addEventListener('abort', cut, { once: true });
  });
}
