/**
 * Why a request got no answer.
 *
 * - `connect`   no connection could be made (DNS, TCP, no SETTINGS in time)
 * - `tls`       the handshake failed, or the client certificate was refused
 * - `timeout`   written, and not answered within its deadline
 * - `reset`     written, then the stream or the whole session died
 * - `refused`   the peer refused the stream unread (REFUSED_STREAM), also when sent again
 * - `goaway`    the peer ended the session; `goawayReason` carries its words
 * - `closed`    the pool was closed by its owner
 * - `pool-full` the waiting line is at its bound
 * - `aborted`   the caller's AbortSignal
 */
export type PoolErrorKind =
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'refused'
  | 'goaway'
  | 'closed'
  | 'pool-full'
  | 'aborted';

/** What went wrong with a connection, before it is known which requests it concerns. */
export interface Failure {
  kind: PoolErrorKind;
  detail: string;
  goawayReason?: string | undefined;
}

/**
 * A request that got no answer. `mayHaveArrived` is the one thing the sender must know:
 * false means that the vendor has certainly not acted on it and a second send makes no duplicate.
 */
export class PoolError extends Error {
  override readonly name = 'PoolError';
  readonly kind: PoolErrorKind;
  readonly mayHaveArrived: boolean;
  readonly detail: string;
  /** `reason` of the first GOAWAY that gave one, e.g. `BadCertificateEnvironment`. */
  readonly goawayReason: string | undefined;

  constructor(failure: Failure, mayHaveArrived: boolean) {
    super(`${failure.kind}: ${failure.detail}`);
    this.kind = failure.kind;
    this.mayHaveArrived = mayHaveArrived;
    this.detail = failure.detail;
    this.goawayReason = failure.goawayReason;
  }
}

// OpenSSL's verification results and alerts, as Node names them. EPROTO is how older alerts surface.
const tlsCode =
  /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH|EPROTO)/;

export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function isTlsError(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && tlsCode.test(code);
}

export function describe(error: unknown): string {
  // Happy eyeballs wraps one failure an address in an AggregateError whose own message is empty.
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  const code = errorCode(error);
  // OpenSSL's message is a thread id and a file of its source; its `reason` is the part for people.
  const words = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
  return code === undefined || words.includes(code) ? words : `${code} ${words}`;
}
