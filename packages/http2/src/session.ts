import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Call } from './call.ts';
import type { Again, Carrier, CarrierOwner } from './carrier.ts';
import { ticks } from './carrier.ts';
import type { Failure } from './error.ts';
import { describe, errorCode, isTlsError } from './error.ts';
import type { PoolRequest } from './request.ts';

const noBody = { endStream: true };
const turnedAway: Failure = { kind: 'refused', detail: 'the peer refused the stream' };
const tooLate: Failure = { kind: 'reset', detail: 'the session closed before the request was written' };
/** A drained session says goodbye and waits for the peer's; a dead peer never says it. */
const farewellTicks = ticks(1_000);

/**
 * One HTTP/2 session. Never holds more streams than the peer's latest SETTINGS, our own cap and, until the
 * first answer, `initialMaxStreams` allow.
 *
 * How a stream ends is judged in one place, when it has closed:
 * - answer complete -> the caller has it;
 * - REFUSED_STREAM, id above GOAWAY's last one, or never given to the peer -> certainly unprocessed, goes back;
 * - everything else (killed session: rst code 8, no error, no status) -> failed, may have arrived.
 */
export class Http2Carrier implements Carrier {
  readonly id: string;
  readonly protocol = 'h2';
  usable = true;
  proven = false;
  inFlight = 0;
  limit = 0;

  readonly #session: ClientHttp2Session;
  readonly #open: ClientHttp2Session['request'];
  readonly #socket: TLSSocket;
  readonly #owner: CarrierOwner;
  readonly #calls = new Set<Call>();
  #peerLimit: number;
  #goawayLastId = Number.POSITIVE_INFINITY;
  #goaway: Failure | undefined;
  #fatal = false;
  #killed: Failure | undefined;
  #death: Failure | undefined;
  #blameless = false; // we ended it ourselves, in good order
  #reported = false;
  #lastHeard: number;
  #lastUsed: number;
  #pingedAt: number | undefined;

  constructor(id: string, session: ClientHttp2Session, socket: TLSSocket, owner: CarrierOwner) {
    this.id = id;
    this.#session = session;
    // The method of the class, not the Agent's wrapper around it: that counts streams to choose among the sessions
    // of an Agent, of which ours has one and is not asked again. It costs a fourteenth of the request.
    this.#open = Object.getPrototypeOf(session).request;
    this.#socket = socket;
    this.#owner = owner;
    this.#lastHeard = owner.now;
    this.#lastUsed = owner.now;
    this.#peerLimit = session.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    this.#adjust();
    session.unref();
    session.on('remoteSettings', (settings) => {
      this.#lastHeard = owner.now;
      this.#peerLimit = settings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
      this.#adjust();
      owner.freed();
    });
    session.on('goaway', (code, lastId, data) => this.#ended(code, lastId, data));
    session.on('error', (error) => {
      this.#death ??= { kind: 'reset', detail: `session failed: ${describe(error)}` };
    });
    // Alerts of a TLS 1.3 server come here, and nowhere else: node:http2 would wait for an answer for ever.
    socket.on('error', (error) => {
      this.#death ??= {
        kind: isTlsError(error) ? 'tls' : 'reset',
        detail: `connection failed: ${describe(error)}`,
      };
      this.#end();
    });
    session.once('close', () => this.#closed());
  }

  send(call: Call): void {
    const { request } = call;
    const owner = this.#owner;
    call.begin(owner.now + ticks(request.timeoutMs ?? owner.settings.requestTimeoutMs) + 1);
    let stream: ClientHttp2Stream;
    try {
      stream = this.#open.call(
        this.#session,
        headerList(request, owner.settings.authority),
        request.body === undefined ? noBody : undefined,
      );
    } catch (error) {
      // Node reports a session's state through the stream; what it throws is the caller's malformed request.
      call.failWith(error as Error);
      return;
    }
    if (this.inFlight === 0) this.#session.ref(); // what is in flight keeps the process alive, an idle pool does not
    this.inFlight += 1;
    this.#calls.add(call);
    this.#lastUsed = owner.now;
    call.stream = stream;
    stream.on('response', (headers) => {
      call.status = headers[':status'] ?? 0;
      call.headers = headers;
    });
    stream.on('data', (chunk: Buffer) => {
      if (call.settled) return;
      call.append(chunk);
      if (call.size > owner.settings.maxResponseBytes) {
        call.fail(
          { kind: 'reset', detail: `the answer exceeds ${owner.settings.maxResponseBytes} bytes` },
          true,
        );
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.on('error', (error) => {
      call.error = error;
    });
    stream.on('close', () => this.#finished(call, stream));
    if (request.body !== undefined) stream.end(request.body);
  }

  abort(signal: AbortSignal): void {
    for (const call of this.#calls) {
      if (call.request.signal !== signal || call.settled) continue;
      call.fail({ kind: 'aborted', detail: 'aborted by the caller after it was written' }, true);
      call.stream?.close(constants.NGHTTP2_CANCEL);
    }
  }

  drain(): void {
    this.#blameless = true;
    this.#stop();
    if (!this.#session.closed) this.#session.close();
  }

  kill(failure: Failure): void {
    this.#killed ??= failure;
    this.#end();
  }

  #end(): void {
    this.#stop();
    this.#session.destroy();
    // destroy() first tries to flush and waits for the socket; towards a dead peer that takes for ever.
    this.#socket.destroy();
  }

  tick(now: number): void {
    const { pingIntervalMs, pingTimeoutMs, idleTimeoutMs } = this.#owner.settings;
    let late = false;
    for (const call of this.#calls) {
      if (now < call.deadline || call.settled) continue;
      late = true;
      call.fail({ kind: 'timeout', detail: 'no answer within the deadline' }, true);
      call.stream?.close(constants.NGHTTP2_CANCEL);
    }
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt > ticks(pingTimeoutMs)) {
        this.kill({ kind: 'reset', detail: `PING unanswered for ${pingTimeoutMs} ms` });
      }
    } else if (late || now - this.#lastHeard >= ticks(pingIntervalMs)) {
      this.#ping(now); // a late answer may be the first sign of a dead connection: ask at once
    }
    if (this.inFlight > 0) return;
    if (!this.usable) {
      if (now - Math.max(this.#lastUsed, this.#lastHeard) > farewellTicks) this.#socket.destroy();
    } else if (idleTimeoutMs > 0 && now - this.#lastUsed >= ticks(idleTimeoutMs)) {
      this.drain();
    }
  }

  #ping(now: number): void {
    if (this.#session.destroyed) return;
    this.#pingedAt = now;
    this.#session.ping((error) => {
      if (error !== null) return; // the session died; its own events tell
      this.#pingedAt = undefined;
      this.#lastHeard = this.#owner.now;
    });
  }

  #finished(call: Call, stream: ClientHttp2Stream): void {
    this.inFlight -= 1;
    if (this.inFlight === 0) this.#session.unref();
    this.#calls.delete(call);
    if (this.#session.closed || this.#session.destroyed) this.#stop();
    // A killed session ends its streams' readable side as if the answer were whole: only the code tells.
    const whole = stream.rstCode === constants.NGHTTP2_NO_ERROR || stream.endAfterHeaders;
    if (call.status !== 0 && stream.readableEnded && whole) {
      this.#lastHeard = this.#owner.now;
      // 401 and 403 prove nothing: APNs keeps a connection at one stream until it has accepted a token.
      if (!this.proven && call.status !== 401 && call.status !== 403) {
        this.proven = true;
        this.#adjust();
        this.#owner.proved();
      }
      call.answer(this.id);
    } else if (!call.settled) {
      this.#judge(call, stream);
    }
    this.#owner.freed();
  }

  #judge(call: Call, stream: ClientHttp2Stream): void {
    const code = errorCode(call.error);
    const unwritten =
      stream.id === undefined || code === 'ERR_HTTP2_GOAWAY_SESSION' || code === 'ERR_HTTP2_INVALID_SESSION';
    const beyond = stream.id !== undefined && stream.id > this.#goawayLastId;
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && call.status === 0;
    if (unwritten || beyond || refused) {
      if (unwritten) this.drain(); // closed behind our back, or out of stream ids
      const failure = this.#cause() ?? (unwritten ? tooLate : turnedAway);
      let again: Again = 'counted';
      if (this.#fatal) again = 'never';
      else if (this.#goaway !== undefined && this.#goawayLastId > 0) again = 'free';
      this.#owner.returned(call, failure, again);
      return;
    }
    const seen = call.status === 0 ? 'unanswered' : `answer ${call.status} cut short`;
    const words = call.error === undefined ? '' : `: ${describe(call.error)}`;
    const detail = `${seen}, reset code ${stream.rstCode}${words}`;
    call.fail(this.#cause() ?? { kind: 'reset', detail }, true);
  }

  /** Our own reason to kill it comes first: the GOAWAY that answers our goodbye explains nothing. */
  #cause(): Failure | undefined {
    return this.#killed ?? this.#goaway ?? this.#death;
  }

  /** GOAWAY. It may come twice, the second time without a reason: the first words are kept. */
  #ended(code: number, lastId: number, data: Uint8Array | undefined): void {
    this.#goawayLastId = Math.min(this.#goawayLastId, lastId);
    const reason = this.#goaway?.goawayReason ?? goawayReason(data);
    this.#goaway = {
      kind: 'goaway',
      detail: `GOAWAY code ${code}${reason === undefined ? '' : `, ${reason}`}`,
      goawayReason: reason,
    };
    this.#fatal = reason !== undefined && this.#owner.settings.fatalGoawayReasons.includes(reason);
    this.#stop();
    if (this.#fatal || (!this.proven && !this.#blameless)) this.#report(this.#goaway);
  }

  #report(failure: Failure): void {
    if (this.#reported) return;
    this.#reported = true;
    this.#owner.failed(failure, this.#fatal);
  }

  #stop(): void {
    if (!this.usable) return;
    this.usable = false;
    this.#lastUsed = this.#owner.now; // from here the farewell counts
    this.#owner.stopped(this);
  }

  #closed(): void {
    this.#stop();
    if (!this.proven && !this.#blameless) {
      this.#report(this.#cause() ?? { kind: 'reset', detail: 'closed before its first answer' });
    }
    this.#owner.gone(this);
  }

  #adjust(): void {
    const { initialMaxStreams, maxStreamsPerSession } = this.#owner.settings;
    const allowed = this.proven ? maxStreamsPerSession : Math.min(initialMaxStreams, maxStreamsPerSession);
    this.limit = Math.min(allowed, this.#peerLimit);
  }
}

/** A flat list goes to nghttp2 as it is; an object would be copied, checked and folded first. */
function headerList(request: PoolRequest, authority: string): string[] {
  const { headers } = request;
  const list = [
    ':method',
    request.method ?? 'POST',
    ':scheme',
    'https',
    ':authority',
    authority,
    ':path',
    request.path,
  ];
  for (const name in headers) list.push(name, headers[name] as string);
  return list;
}

/** APNs writes `{"reason":"..."}`; a GOAWAY for too many streams came as plain text. */
function goawayReason(data: Uint8Array | undefined): string | undefined {
  if (data === undefined || data.length === 0) return undefined;
  const text = Buffer.from(data).toString('utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    if (
      typeof parsed === 'object' &&
      parsed !== null &&
      'reason' in parsed &&
      typeof parsed.reason === 'string'
    ) {
      return parsed.reason;
    }
  } catch {
    // plain text
  }
  return text.slice(0, 200);
}
