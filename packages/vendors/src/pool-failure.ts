import type { Outcome } from '@pushmill/core';
import type { PoolError } from '@pushmill/http2';

/** What a request without an answer concludes. The codes are ours and the same for all vendors. */
export function unanswered(error: PoolError): Outcome {
  const detail = error.detail.slice(0, 200);
  if (error.kind === 'pool-full') {
    // Our own bound, not a failure of the push: it waits and spends nothing.
    return { kind: 'throttled', code: 'pool-full', detail, scope: 'channel', retryAfterMs: 1_000 };
  }
  return { kind: 'unavailable', code: codes[error.kind], detail, mayHaveArrived: error.mayHaveArrived };
}

const codes: Readonly<Record<Exclude<PoolError['kind'], 'pool-full'>, string>> = {
  connect: 'connect-failed',
  tls: 'tls-failed',
  timeout: 'timeout',
  reset: 'connection-lost',
  refused: 'stream-refused',
  goaway: 'connection-ended',
  closed: 'closing',
  aborted: 'aborted',
};
