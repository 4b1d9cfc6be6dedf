import { isIP } from 'node:net';

/** PEM texts. Verification is never switched off: a private CA goes into `ca`. */
export interface TlsOptions {
  /** Replaces the public CA set. */
  ca?: string;
  /** Client certificate, with its chain. */
  cert?: string;
  key?: string;
  /** Name asked for and verified, where it differs from the origin's host. */
  servername?: string;
}

export interface PoolOptions {
  /** `https://host[:port]` */
  origin: string;
  tls?: TlsOptions;
  /** `auto`: ALPN decides between h2 and HTTP/1.1, for vendors that may speak only the older one. Default `h2`. */
  protocol?: 'h2' | 'auto';
  /** Connections in use at once (those being drained do not count). Default 8. */
  maxSessions?: number;
  /** Streams on a session until its first answer (401 and 403 are no answer). Default 1, as APNs asks. */
  initialMaxStreams?: number;
  /** Our own cap; the peer's SETTINGS are obeyed below it. Default 500. */
  maxStreamsPerSession?: number;
  /** Connections, each with one request, when HTTP/1.1 was negotiated. Default 32. */
  maxHttp1Sockets?: number;
  /** Requests waiting for a stream; one more fails at once with `pool-full`. Default 10,000. */
  maxWaiting?: number;
  /** How often a request that was certainly not processed is sent again. Default 2. */
  maxResends?: number;
  /** Default 1 MiB; a longer answer fails as `reset`. */
  maxResponseBytes?: number;
  /** DNS, TCP, TLS and the first SETTINGS together. Default 10 s. */
  connectTimeoutMs?: number;
  /** How long a request may wait while connections keep failing. Default 15 s. */
  maxConnectWaitMs?: number;
  /** From writing the request to the end of its answer. Default 20 s. */
  requestTimeoutMs?: number;
  /** Silence on a session before a PING. Default 30 s. */
  pingIntervalMs?: number;
  /** Silence after the PING before the session counts as dead. Default 10 s. */
  pingTimeoutMs?: number;
  /** An unused session is closed after this; 0 keeps it. Default 1 h. */
  idleTimeoutMs?: number;
  /** Reconnect delay: full jitter over base x 2^n up to max. Default 1 s and 60 s. */
  backoffBaseMs?: number;
  backoffMaxMs?: number;
  /** GOAWAY reasons after which sending again is pointless: everything unprocessed fails at once with `goaway`. */
  fatalGoawayReasons?: readonly string[];
  /** Chance for the jitter, in [0, 1). */
  random?: () => number;
}

/** The options with defaults filled in and the origin taken apart. */
export interface Settings extends Required<Omit<PoolOptions, 'tls' | 'origin'>> {
  tls: TlsOptions;
  host: string;
  port: number;
  /** `:authority`, without the default port */
  authority: string;
  /** Empty for an IP address: Node refuses an address as SNI. */
  servername: string;
  /** Origin by which http2-wrapper knows the session: it must equal the name in the certificate. */
  sessionOrigin: string;
}

const bounds = [
  ['maxSessions', 1],
  ['initialMaxStreams', 1],
  ['maxStreamsPerSession', 1],
  ['maxHttp1Sockets', 1],
  ['maxWaiting', 0],
  ['maxResends', 0],
  ['maxResponseBytes', 1],
  ['connectTimeoutMs', 1],
  ['maxConnectWaitMs', 0],
  ['requestTimeoutMs', 1],
  ['pingIntervalMs', 1],
  ['pingTimeoutMs', 1],
  ['idleTimeoutMs', 0],
  ['backoffBaseMs', 0],
  ['backoffMaxMs', 0],
] as const;

/** @throws TypeError for an origin that is no `https://host[:port]`, RangeError for a number out of bounds */
export function settle(options: PoolOptions): Settings {
  const url = new URL(options.origin);
  if (url.protocol !== 'https:' || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new TypeError(`A pool's origin is https://host[:port], not ${options.origin}`);
  }
  if (url.hostname.startsWith('[')) {
    // http2-wrapper 2.2.4 cuts an origin at its first colon and then finds no certificate for it.
    throw new TypeError('A pool cannot be bound to a literal IPv6 address: use a name');
  }
  const servername = options.tls?.servername ?? (isIP(url.hostname) === 0 ? url.hostname : '');
  const port = url.port === '' ? 443 : Number(url.port);
  const settings: Settings = {
    protocol: options.protocol ?? 'h2',
    maxSessions: options.maxSessions ?? 8,
    initialMaxStreams: options.initialMaxStreams ?? 1,
    maxStreamsPerSession: options.maxStreamsPerSession ?? 500,
    maxHttp1Sockets: options.maxHttp1Sockets ?? 32,
    maxWaiting: options.maxWaiting ?? 10_000,
    maxResends: options.maxResends ?? 2,
    maxResponseBytes: options.maxResponseBytes ?? 1_048_576,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    maxConnectWaitMs: options.maxConnectWaitMs ?? 15_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 20_000,
    pingIntervalMs: options.pingIntervalMs ?? 30_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 3_600_000,
    backoffBaseMs: options.backoffBaseMs ?? 1_000,
    backoffMaxMs: options.backoffMaxMs ?? 60_000,
    fatalGoawayReasons: options.fatalGoawayReasons ?? [],
    random: options.random ?? Math.random,
    tls: { ...options.tls },
    host: url.hostname,
    port,
    authority: url.host,
    servername,
    sessionOrigin: new URL(`https://${servername === '' ? url.hostname : servername}:${port}`).origin,
  };
  for (const [name, least] of bounds) {
    if (!Number.isInteger(settings[name]) || settings[name] < least) {
      throw new RangeError(`${name} must be an integer of at least ${least}, not ${settings[name]}`);
    }
  }
  return settings;
}
