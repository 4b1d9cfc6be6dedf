import type { IncomingHttpHeaders } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import type { Failure } from './error.ts';
import { PoolError } from './error.ts';
import type { PoolRequest, PoolResponse } from './request.ts';

const empty = Buffer.alloc(0);

/**
 * One request from being asked to being settled. It waits in the line (`previous`, `next`), is written on a
 * carrier, and may come back to the line if the peer certainly did not process it. Settled exactly once;
 * the carrier that still holds its stream frees the slot later, when the stream has closed.
 *
 * Plain fields and one object a request, because this is what a campaign allocates a million times.
 */
export class Call {
  readonly request: PoolRequest;
  /** Order of asking; a request that is sent again keeps its place. */
  readonly number: number;
  /** Tick at which it was asked. */
  readonly askedAt: number;
  previous: Call | undefined = undefined;
  next: Call | undefined = undefined;
  resends = 0;
  settled = false;

  // Of the present attempt, owned by the carrier.
  stream: ClientHttp2Stream | undefined = undefined;
  deadline = 0;
  status = 0;
  headers: IncomingHttpHeaders | undefined = undefined;
  chunk: Buffer | undefined = undefined;
  chunks: Buffer[] | undefined = undefined;
  size = 0;
  error: Error | undefined = undefined;

  readonly #resolve: (response: PoolResponse) => void;
  readonly #reject: (error: Error) => void;
  readonly #settledSignal: ((signal: AbortSignal) => void) | undefined;

  constructor(
    request: PoolRequest,
    number: number,
    askedAt: number,
    resolve: (response: PoolResponse) => void,
    reject: (error: Error) => void,
    settledSignal: ((signal: AbortSignal) => void) | undefined,
  ) {
    this.request = request;
    this.number = number;
    this.askedAt = askedAt;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#settledSignal = settledSignal;
  }

  /** Forgets the last attempt. */
  begin(deadline: number): void {
    this.deadline = deadline;
    this.status = 0;
    this.headers = undefined;
    this.chunk = undefined;
    this.chunks = undefined;
    this.size = 0;
    this.error = undefined;
  }

  /** Most answers are one chunk or none: only the third case pays for an array. */
  append(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.chunk === undefined) this.chunk = chunk;
    else if (this.chunks === undefined) this.chunks = [this.chunk, chunk];
    else this.chunks.push(chunk);
  }

  answer(sessionId: string): void {
    if (this.settled) return;
    this.#settle();
    const body = this.chunks === undefined ? (this.chunk ?? empty) : Buffer.concat(this.chunks, this.size);
    this.#resolve({ status: this.status, headers: this.headers ?? {}, body, sessionId });
  }

  fail(failure: Failure, mayHaveArrived: boolean): void {
    this.failWith(new PoolError(failure, mayHaveArrived));
  }

  /** For a mistake of the caller, which no kind describes. */
  failWith(error: Error): void {
    if (this.settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.settled = true;
    if (this.#settledSignal !== undefined && this.request.signal !== undefined) {
      this.#settledSignal(this.request.signal);
    }
  }
}
