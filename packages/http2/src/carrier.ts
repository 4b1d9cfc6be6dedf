import type { Call } from './call.ts';
import type { Failure } from './error.ts';
import type { Settings } from './options.ts';

/**
 * What a request can be written on: an HTTP/2 session, or the keep-alive sockets of an HTTP/1.1 server.
 *
 * Life: usable -> (drained by us, by GOAWAY or by idleness) finishing what is in flight -> gone.
 * A carrier is `proven` once it has answered; until then its streams are few and its loss counts as a failed
 * connection, because a refused client certificate under TLS 1.3 looks exactly like a connection that closes.
 */
export interface Carrier {
  readonly id: string;
  readonly protocol: 'h2' | 'http/1.1';
  readonly usable: boolean;
  readonly proven: boolean;
  readonly inFlight: number;
  /** How many requests it may hold at this moment. */
  readonly limit: number;
  send(call: Call): void;
  abort(signal: AbortSignal): void;
  /** No more requests; what is in flight finishes. */
  drain(): void;
  kill(failure: Failure): void;
  /** Deadlines, PING, idleness. */
  tick(now: number): void;
}

/** `free`: the peer processed others, so this is progress. `counted`: spends a resend. `never`: fail it. */
export type Again = 'free' | 'counted' | 'never';

/** What a carrier needs of its pool. */
export interface CarrierOwner {
  readonly settings: Settings;
  /** Coarse clock, in ticks of `tickMs`. */
  readonly now: number;
  /** A slot came free, or the limit changed. */
  freed(): void;
  /** A written request that the peer certainly did not process. */
  returned(call: Call, failure: Failure, again: Again): void;
  proved(): void;
  /** Counts as a failed connection. `fatal`: no other connection would fare better. */
  failed(failure: Failure, fatal: boolean): void;
  stopped(carrier: Carrier): void;
  gone(carrier: Carrier): void;
}

export const tickMs = 100;

/**
 * Time is counted in ticks of one interval a pool, not in a timer a request (a timer costs a twentieth of the
 * whole request). A blocked event loop counts as one tick, so that answers already in the socket are read
 * before their requests are declared late.
 */
export function ticks(ms: number): number {
  return Math.ceil(ms / tickMs);
}
