import type { ClientHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { connect } from 'node:tls';
import wrapper from 'http2-wrapper';
import type { Failure } from './error.ts';
import { describe, isTlsError } from './error.ts';
import type { Settings } from './options.ts';

export interface Opened {
  /** Called synchronously with the first SETTINGS, so that a GOAWAY in the same packet is not missed. */
  session(session: ClientHttp2Session, socket: TLSSocket): void;
  http1(socket: TLSSocket): void;
}

export class DialError extends Error {
  readonly failure: Failure;
  /** The peer hung up where it would judge our certificate. Once, that is any outage; again and again, it is not. */
  readonly suspicious: boolean;

  constructor(failure: Failure, suspicious = false, cause?: unknown) {
    super(failure.detail, { cause });
    this.failure = failure;
    this.suspicious = suspicious;
  }
}

/** What every TLS connection of a pool is made with. The address is looked up anew for each. */
export function tlsOptions(settings: Settings) {
  const { ca, cert, key } = settings.tls;
  return {
    host: settings.host,
    port: settings.port,
    servername: settings.servername,
    minVersion: 'TLSv1.2' as const,
    // Said aloud: NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment must not switch it off.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/**
 * Opens one connection: DNS, TCP, TLS, ALPN, first SETTINGS, all within `connectTimeoutMs`.
 *
 * http2-wrapper does the negotiation and opens the session. Each connection gets an Agent of its own:
 * - an Agent keys its sessions by its stringified options, under which `pfx: [{...}]` and `secureContext` of two
 *   tenants are equal, and one's request leaves with the other's certificate;
 * - an Agent goes on offering a session after its GOAWAY (issue 89). Ours is never asked twice.
 *
 * @throws DialError
 */
export async function dial(settings: Settings, signal: AbortSignal, opened: Opened): Promise<void> {
  let socket: TLSSocket | undefined;
  let stop: Failure | undefined;
  let reached = false;

  const give = (failure: Failure) => {
    stop = failure;
    socket?.destroy(new Error(failure.detail));
  };
  const onAbort = () => give({ kind: 'closed', detail: 'the pool was closed' });
  const timer = setTimeout(
    () => give({ kind: 'connect', detail: `no connection within ${settings.connectTimeoutMs} ms` }),
    settings.connectTimeoutMs,
  );
  signal.addEventListener('abort', onAbort);

  try {
    // A fresh cache each time: the protocol is negotiated again with every connection, and the socket on which
    // it was negotiated is the one we use.
    const resolve = wrapper.auto.createResolveProtocol(new Map(), new Map(), (options, onConnect) => {
      socket = connect(options, onConnect);
      socket.once('connect', () => {
        reached = true;
      });
      socket.on('error', () => {}); // whoever listens when it comes judges it; nobody must not end the process
      return socket;
    });
    const negotiated = await resolve(
      Object.assign(tlsOptions(settings), {
        ALPNProtocols: settings.protocol === 'h2' ? ['h2'] : ['h2', 'http/1.1'],
        resolveSocket: true, // http2-wrapper's own `auto` passes it; its types do not know it
      }),
    );
    const ready = negotiated.socket;
    if (ready === undefined) throw new Error('ALPN gave no socket');
    if (negotiated.alpnProtocol === 'h2') {
      await openSession(settings, ready, (session) => opened.session(session, ready));
    } else if (settings.protocol === 'auto') {
      opened.http1(ready);
    } else {
      throw new DialError({ kind: 'tls', detail: 'the server did not agree to HTTP/2 (ALPN h2)' });
    }
  } catch (error) {
    socket?.destroy();
    if (error instanceof DialError) throw error;
    if (stop !== undefined) throw new DialError(stop, false, error);
    throw judge(error, reached && settings.tls.cert !== undefined);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function openSession(
  settings: Settings,
  socket: TLSSocket,
  onSession: (session: ClientHttp2Session) => void,
): Promise<void> {
  // Not `maxSessions: 1`: an Agent at its bound closes a session whenever its last stream ends.
  const agent = new wrapper.Agent();
  let used = false;
  return new Promise((resolve, reject) => {
    // A TLS alert after the handshake is an 'error' of the socket that node:http2 does not pass on.
    socket.once('error', reject);
    // Documented event, emitted inside the first 'remoteSettings'.
    agent.once('session', (session: ClientHttp2Session) => {
      onSession(session);
      socket.off('error', reject);
      resolve();
    });
    agent
      .getSession(settings.sessionOrigin, {
        peerMaxConcurrentStreams: settings.initialMaxStreams,
        // 500 bodies of 20 KB waiting for a slow peer's window are legitimate; Node's bound is 10 (MB).
        maxSessionMemory: 32,
        createConnection: () => {
          // After SETTINGS that allow no stream at all the Agent tries to open another; it must not.
          if (used) throw new Error('this Agent has made its one connection');
          used = true;
          return socket;
        },
      })
      .catch(reject);
  });
}

/**
 * A server that refuses a client certificate may say so in an alert. Many just hang up: under TLS 1.2 within the
 * handshake, under TLS 1.3 after it, where SETTINGS should have come.
 */
function judge(error: unknown, suspicious: boolean): DialError {
  if (isTlsError(error)) return new DialError({ kind: 'tls', detail: describe(error) }, false, error);
  const hint = suspicious ? '; the client certificate may have been refused' : '';
  return new DialError({ kind: 'connect', detail: describe(error) + hint }, suspicious, error);
}
