import { AbortWatch } from './abort.ts';
import { Backoff } from './backoff.ts';
import { Call } from './call.ts';
import type { Again, Carrier, CarrierOwner } from './carrier.ts';
import { tickMs, ticks } from './carrier.ts';
import type { DialError } from './dial.ts';
import { dial } from './dial.ts';
import type { Failure } from './error.ts';
import { PoolError } from './error.ts';
import { KeepAliveCarrier } from './keepalive.ts';
import { WaitingLine } from './line.ts';
import type { PoolOptions, Settings } from './options.ts';
import { settle } from './options.ts';
import type { PoolRequest, PoolResponse } from './request.ts';
import { check } from './request.ts';
import { Http2Carrier } from './session.ts';

export interface PoolStats {
  /** What the newest connection negotiated. */
  protocol: 'h2' | 'http/1.1' | undefined;
  /** Connections that take requests. */
  sessions: number;
  /** Connections finishing their last requests. */
  draining: number;
  connecting: boolean;
  /** Connections opened since the pool was made. */
  opened: number;
  /** Requests written and not yet closed. */
  streams: number;
  waiting: number;
  /** Requests that `sessions` may hold at this moment, together. */
  streamLimit: number;
  /** Consecutive connections that failed or ended before their first answer, and the last one's words. */
  failures: number;
  lastFailure: string | undefined;
  /** `reason` of the last `retire`. */
  lastRetirement: string | undefined;
}

/** Connections of one credential to one origin. Two credentials never share a pool. */
export interface Pool {
  /**
   * Sends one request on a connection with room, or waits in line for one. Requests that the peer certainly did
   * not process (REFUSED_STREAM, above GOAWAY's last id) are sent again on another connection.
   *
   * @returns any answer, whatever its status
   * @throws  PoolError without an answer; TypeError for a header or path that HTTP/2 would mangle
   */
  request(request: PoolRequest): Promise<PoolResponse>;
  /**
   * Lets connections finish what they hold and opens new ones for later requests: after ExpiredProviderToken,
   * or when the peer's answers are bound to a connection.
   *
   * @param sessionId only this one, from the answer that told; many late answers then retire it just once
   */
  retire(reason: string, sessionId?: string): void;
  stats(): PoolStats;
  /**
   * Requests in line fail at once (`closed`, not sent); those in flight get until the deadline.
   *
   * @param deadlineMs default 10 s
   * @returns when every connection is closed
   */
  close(deadlineMs?: number): Promise<void>;
}

/** @throws TypeError or RangeError for options that cannot be right */
export function createPool(options: PoolOptions): Pool {
  return new ConnectionPool(settle(options));
}

/**
 * Connecting: one attempt at a time, none before the backoff permits. The first is made when a request finds
 * no usable connection; more, up to `maxSessions`, when the line has not moved for a tick although a
 * connection has proven good. That leaves a peer who raises its limit after the first answer the time to do so.
 */
class ConnectionPool implements Pool, CarrierOwner {
  readonly settings: Settings;
  now = 0;
  readonly #line = new WaitingLine();
  readonly #backoff: Backoff;
  readonly #aborts = new AbortWatch((signal) => this.#aborted(signal));
  /** All that are not gone, drained ones too. */
  readonly #carriers = new Set<Carrier>();
  /** Those that take requests. */
  #usable: Carrier[] = [];
  #dialling: AbortController | undefined;
  #protocol: PoolStats['protocol'];
  #opened = 0;
  #suspicions = 0;
  #lastRetirement: string | undefined;
  #asked = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#backoff = new Backoff(settings.backoffBaseMs, settings.backoffMaxMs, settings.random);
  }

  request(request: PoolRequest): Promise<PoolResponse> {
    return new Promise((resolve, reject) => {
      check(request);
      const { signal } = request;
      if (this.#closing !== undefined) throw new PoolError(closed, false);
      if (signal?.aborted)
        throw new PoolError({ kind: 'aborted', detail: 'aborted before it was asked' }, false);
      const carrier = this.#line.size === 0 ? this.#roomiest() : undefined;
      if (carrier === undefined && this.#line.size >= this.settings.maxWaiting) {
        throw new PoolError(
          { kind: 'pool-full', detail: `${this.#line.size} requests are waiting already` },
          false,
        );
      }
      this.#asked += 1;
      const release = signal === undefined ? undefined : this.#aborts.release;
      const call = new Call(request, this.#asked, this.now, resolve, reject, release);
      if (signal !== undefined) this.#aborts.add(signal);
      if (carrier === undefined) this.#wait(call);
      else carrier.send(call);
    });
  }

  retire(reason: string, sessionId?: string): void {
    this.#lastRetirement = reason;
    for (const carrier of [...this.#usable]) {
      if (sessionId === undefined || carrier.id === sessionId) carrier.drain();
    }
  }

  stats(): PoolStats {
    let streams = 0;
    let streamLimit = 0;
    for (const carrier of this.#carriers) streams += carrier.inFlight;
    for (const carrier of this.#usable) streamLimit += carrier.limit;
    return {
      protocol: this.#protocol,
      sessions: this.#usable.length,
      draining: this.#carriers.size - this.#usable.length,
      connecting: this.#dialling !== undefined,
      opened: this.#opened,
      streams,
      waiting: this.#line.size,
      streamLimit,
      failures: this.#backoff.failures,
      lastFailure: this.#backoff.last?.detail,
      lastRetirement: this.#lastRetirement,
    };
  }

  close(deadlineMs = 10_000): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers<void>();
      this.#failWaiting(closed);
      this.#dialling?.abort();
      for (const carrier of [...this.#usable]) carrier.drain();
      const timer = setTimeout(() => {
        for (const carrier of [...this.#carriers]) carrier.kill(closed);
      }, deadlineMs);
      this.#closing.promise.then(() => clearTimeout(timer));
      this.#finishClosing();
    }
    return this.#closing.promise;
  }

  // What carriers report.

  freed(): void {
    while (this.#line.size > 0) {
      const carrier = this.#roomiest();
      if (carrier === undefined) break;
      carrier.send(this.#line.shift() as Call);
    }
    if (this.#line.size > 0 && this.#usable.length === 0) this.#connect();
  }

  returned(call: Call, failure: Failure, again: Again): void {
    if (again === 'counted') call.resends += 1;
    if (again === 'never' || call.resends > this.settings.maxResends || this.#closing !== undefined) {
      call.fail(this.#closing === undefined ? failure : closed, false);
      return;
    }
    this.#line.putBack(call);
    this.#wake();
  }

  proved(): void {
    this.#backoff.succeeded();
  }

  failed(failure: Failure, fatal: boolean): void {
    this.#backoff.failed(failure, performance.now());
    // Another attempt would meet the same certificate: say so now, not when the wait is over.
    if (fatal || (failure.kind === 'tls' && this.#usable.length === 0)) this.#failWaiting(failure);
  }

  stopped(carrier: Carrier): void {
    this.#usable = this.#usable.filter((other) => other !== carrier);
  }

  gone(carrier: Carrier): void {
    this.#carriers.delete(carrier);
    this.#finishClosing();
    this.freed();
  }

  #wait(call: Call): void {
    this.#line.push(call);
    this.#wake();
    if (this.#usable.length === 0) this.#connect();
  }

  #roomiest(): Carrier | undefined {
    let best: Carrier | undefined;
    let room = 0;
    for (const carrier of this.#usable) {
      if (carrier.limit - carrier.inFlight > room) {
        best = carrier;
        room = carrier.limit - carrier.inFlight;
      }
    }
    return best;
  }

  #connect(): void {
    if (this.#dialling !== undefined || this.#closing !== undefined) return;
    if (!this.#backoff.permits(performance.now())) return; // the next tick asks again
    this.#dialling = new AbortController();
    this.#wake();
    this.#opened += 1;
    const number = this.#opened;
    dial(this.settings, this.#dialling.signal, {
      session: (session, socket) => this.#add(new Http2Carrier(`h2-${number}`, session, socket, this)),
      http1: (socket) => this.#add(new KeepAliveCarrier(`http1-${number}`, socket, this)),
    }).then(
      () => this.#dialled(undefined),
      (error: DialError) => this.#dialled(error),
    );
  }

  #add(carrier: Carrier): void {
    this.#protocol = carrier.protocol;
    this.#carriers.add(carrier);
    this.#usable.push(carrier);
    if (this.#closing !== undefined) carrier.drain();
    else this.freed();
  }

  #dialled(error: DialError | undefined): void {
    this.#dialling = undefined;
    this.#suspicions = error?.suspicious ? this.#suspicions + 1 : 0;
    if (error !== undefined && this.#closing === undefined) {
      const sure = this.#suspicions >= suspicionsToBelieve;
      this.failed(sure ? { kind: 'tls', detail: error.message } : error.failure, false);
    }
    this.#finishClosing();
  }

  #failWaiting(failure: Failure): void {
    for (const call of this.#line) {
      this.#line.remove(call);
      call.fail(failure, false);
    }
  }

  #aborted(signal: AbortSignal): void {
    for (const call of this.#line) {
      if (call.request.signal !== signal) continue;
      this.#line.remove(call);
      call.fail({ kind: 'aborted', detail: 'aborted by the caller while it waited' }, false);
    }
    for (const carrier of this.#carriers) carrier.abort(signal);
  }

  #wake(): void {
    if (this.#timer === undefined) this.#timer = setInterval(() => this.#tick(), tickMs);
    // Waiting requests keep the process alive; those in flight do so through their sockets.
    else this.#timer.ref();
  }

  #tick(): void {
    this.now += 1;
    for (const carrier of [...this.#carriers]) carrier.tick(this.now);
    const proven = this.#usable.some((carrier) => carrier.proven);
    if (!proven && this.#backoff.last !== undefined) this.#expireWaiting(this.#backoff.last);
    this.freed();
    const first = this.#line.first;
    if (first !== undefined && proven && first.askedAt < this.now - 1 && this.#mayGrow()) this.#connect();
    if (this.#line.size > 0 || this.#dialling !== undefined) return;
    if (this.#carriers.size > 0) {
      this.#timer?.unref();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #mayGrow(): boolean {
    return this.#protocol === 'h2' && this.#usable.length < this.settings.maxSessions;
  }

  #expireWaiting(failure: Failure): void {
    const before = this.now - ticks(this.settings.maxConnectWaitMs);
    for (let call = this.#line.first; call !== undefined && call.askedAt < before; call = this.#line.first) {
      this.#line.remove(call);
      call.fail(failure, false);
    }
  }

  #finishClosing(): void {
    if (this.#closing === undefined || this.#carriers.size > 0 || this.#dialling !== undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#closing.resolve();
  }
}

/** A balancer that restarts hangs up once or twice; a pause of the channel is worth a third look. */
const suspicionsToBelieve = 3;

const closed: Failure = { kind: 'closed', detail: 'the pool is closed' };
