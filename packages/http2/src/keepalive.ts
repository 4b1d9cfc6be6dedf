import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import type { TLSSocket } from 'node:tls';
import wrapper from 'http2-wrapper';
import type { Call } from './call.ts';
import type { Carrier, CarrierOwner } from './carrier.ts';
import { ticks } from './carrier.ts';
import { tlsOptions } from './dial.ts';
import type { Failure } from './error.ts';
import { describe, errorCode, isTlsError } from './error.ts';

interface Exchange {
  call: Call;
  request: ClientRequest | undefined;
}

/**
 * The keep-alive sockets of a server that negotiated HTTP/1.1. Requests go through http2-wrapper's `auto`, which
 * takes over the socket of the negotiation; one request a socket, so the limit is the number of sockets.
 */
export class KeepAliveCarrier implements Carrier {
  readonly id: string;
  readonly protocol = 'http/1.1';
  readonly limit: number;
  usable = true;
  proven = false;
  inFlight = 0;

  readonly #owner: CarrierOwner;
  readonly #agent: Agent;
  readonly #exchanges = new Set<Exchange>();
  #spare: TLSSocket | undefined;
  #death: Failure | undefined;
  #gone = false;
  #lastUsed: number;

  constructor(id: string, socket: TLSSocket, owner: CarrierOwner) {
    this.id = id;
    this.#owner = owner;
    this.limit = owner.settings.maxHttp1Sockets;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: this.limit,
      maxFreeSockets: this.limit,
      scheduling: 'lifo',
    });
    this.#spare = socket; // if it dies unused, the first request simply opens another
    this.#lastUsed = owner.now;
  }

  send(call: Call): void {
    const { request } = call;
    const { settings, now } = this.#owner;
    call.begin(now + ticks(request.timeoutMs ?? settings.requestTimeoutMs) + 1);
    this.#lastUsed = now;
    this.inFlight += 1;
    const exchange: Exchange = { call, request: undefined };
    this.#exchanges.add(exchange);
    this.#exchange(exchange).then(
      () => this.#finished(exchange, undefined),
      (error: unknown) => this.#finished(exchange, error),
    );
  }

  abort(signal: AbortSignal): void {
    for (const { call, request } of this.#exchanges) {
      if (call.request.signal !== signal || call.settled) continue;
      call.fail({ kind: 'aborted', detail: 'aborted by the caller after it was written' }, true);
      request?.destroy();
    }
  }

  drain(): void {
    this.#stop();
    this.#leaveIfEmpty();
  }

  kill(failure: Failure): void {
    this.#death ??= failure;
    this.#stop();
    for (const { request } of this.#exchanges) request?.destroy();
    this.#leaveIfEmpty();
  }

  tick(now: number): void {
    for (const { call, request } of this.#exchanges) {
      if (now < call.deadline || call.settled) continue;
      call.fail({ kind: 'timeout', detail: 'no answer within the deadline' }, true);
      request?.destroy();
    }
    const { idleTimeoutMs } = this.#owner.settings;
    if (
      this.usable &&
      this.inFlight === 0 &&
      idleTimeoutMs > 0 &&
      now - this.#lastUsed >= ticks(idleTimeoutMs)
    )
      this.drain();
  }

  async #exchange(exchange: Exchange): Promise<void> {
    const { call } = exchange;
    const { settings } = this.#owner;
    const { body, headers, method, path } = call.request;
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const request = await wrapper.auto({
      ...tlsOptions(settings),
      protocol: 'https:',
      hostname: settings.host,
      path,
      method: method ?? 'POST',
      headers: { host: settings.authority, ...headers, ...length },
      agent: { https: this.#agent },
      resolveProtocol: async () => this.#negotiated(),
    });
    exchange.request = request;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    request.on('response', (response) => receive(response, call, settings.maxResponseBytes, resolve, reject));
    request.on('error', reject);
    request.on('close', () => {
      // With an answer begun, the answer's own end decides.
      if (call.status === 0) reject(new Error('closed without an answer'));
    });
    if (call.settled || this.#death !== undefined) request.destroy();
    else request.end(body);
    await promise;
  }

  #negotiated() {
    const socket = this.#spare;
    this.#spare = undefined;
    return socket === undefined || socket.destroyed
      ? { alpnProtocol: 'http/1.1' }
      : { alpnProtocol: 'http/1.1', socket };
  }

  #finished(exchange: Exchange, error: unknown): void {
    const { call } = exchange;
    this.inFlight -= 1;
    this.#exchanges.delete(exchange);
    if (error === undefined) {
      if (!this.proven) {
        this.proven = true;
        this.#owner.proved();
      }
      call.answer(this.id);
    } else if (!call.settled) {
      this.#judge(call, error);
    }
    this.#leaveIfEmpty();
    this.#owner.freed();
  }

  #judge(call: Call, error: unknown): void {
    if (this.#death !== undefined) {
      call.fail(this.#death, true);
    } else if (neverConnected(error)) {
      // The next connection negotiates anew: the server may have moved, or learned HTTP/2.
      const failure: Failure = { kind: isTlsError(error) ? 'tls' : 'connect', detail: describe(error) };
      if (this.usable) this.#owner.failed(failure, false);
      this.#stop();
      this.#owner.returned(call, failure, 'counted');
    } else {
      call.fail({ kind: 'reset', detail: describe(error) }, true);
    }
  }

  #stop(): void {
    if (!this.usable) return;
    this.usable = false;
    this.#owner.stopped(this);
  }

  #leaveIfEmpty(): void {
    if (this.usable || this.inFlight > 0 || this.#gone) return;
    this.#gone = true;
    this.#spare?.destroy();
    this.#agent.destroy();
    this.#owner.gone(this);
  }
}

function neverConnected(error: unknown): boolean {
  const syscall = (error as { syscall?: unknown } | null)?.syscall;
  return (
    syscall === 'connect' ||
    syscall === 'getaddrinfo' ||
    error instanceof AggregateError ||
    (isTlsError(error) && errorCode(error) !== 'EPROTO')
  );
}

function receive(
  response: IncomingMessage,
  call: Call,
  maxBytes: number,
  resolve: () => void,
  reject: (error: Error) => void,
): void {
  call.status = response.statusCode ?? 0;
  call.headers = response.headers;
  response.on('data', (chunk: Buffer) => {
    call.append(chunk);
    if (call.size > maxBytes) response.destroy(new Error(`the answer exceeds ${maxBytes} bytes`));
  });
  response.on('error', reject);
  response.on('close', () => {
    if (response.complete) resolve();
    else reject(new Error(`answer ${call.status} cut short`));
  });
}
