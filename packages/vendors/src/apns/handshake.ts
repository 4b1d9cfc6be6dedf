import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectHttp2 } from 'node:http2';
import type { LookupFunction, Socket } from 'node:net';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, getCACertificates, type TLSSocket } from 'node:tls';
import { reasons } from './errors.ts';
import type { Environment } from './settings.ts';

export type Verdict =
  | 'accepted'
  /** The server said no to the certificate, in words, by an alert or by hanging up where it judges. */
  | 'refused'
  /** The server did not ask for a client certificate. */
  | 'not-asked'
  /** The server's own certificate is not to be trusted; it was left after the handshake. */
  | 'untrusted'
  | 'unreachable'
  /** The server, or a proxy, does not speak TLS or HTTP/2. */
  | 'wrong-protocol'
  | 'timeout'
  /** The probe got an answer that says nothing about the certificate. */
  | 'unclear';

export interface HandshakeStep {
  name:
    | 'DNS'
    | 'TCP'
    | 'TLS'
    | 'server certificate'
    | 'client certificate'
    | 'ALPN'
    | 'HTTP/2 settings'
    | 'verdict of the server'
    | 'probe';
  state: 'ok' | 'failed';
  /** A sentence. */
  detail: string;
  durationMs: number;
}

export interface HandshakeReport {
  verdict: Verdict;
  /** What it comes to, and what to do. */
  sentence: string;
  steps: HandshakeStep[];
}

export interface HandshakeOptions {
  host: string;
  port: number;
  /** PEM: leaf first. */
  certificate: string;
  /** PEM. */
  privateKey: string;
  /** What the certificate says of itself, for the sentences. */
  environments: readonly Environment[];
  /** PEM; trusted besides the public authorities. */
  ca?: string;
  /** Sends one push to a random token for this topic. */
  probeTopic?: string;
  /** For each step. */
  stepTimeoutMs: number;
  /** Called with each step when it is done. */
  tell?: (step: HandshakeStep) => void;
}

/** Ends the check at the step where it is thrown. */
class Stop extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict, sentence: string) {
    super(sentence);
    this.verdict = verdict;
  }
}

/**
 * Connects as a sender would, one step at a time, and says what each came to.
 *
 * Under TLS 1.2 the server judges the client certificate within the handshake. Under TLS 1.3 the client believes
 * itself connected before it is judged, and the refusal comes where HTTP/2 should: as an alert, or as a plain end.
 * SETTINGS prove nothing either, since a server may send them before it has read our part of the handshake; the
 * answer to a PING does, because the PING can be read only after it. APNs takes any certificate in the handshake
 * and refuses in a GOAWAY, which comes before that answer too.
 */
export async function checkHandshake(options: HandshakeOptions): Promise<HandshakeReport> {
  const steps: HandshakeStep[] = [];
  const open: { destroy(): void }[] = [];

  async function step<T>(
    name: HandshakeStep['name'],
    run: () => Promise<[result: T, detail: string]>,
  ): Promise<T> {
    const startedAt = performance.now();
    const done = (state: HandshakeStep['state'], detail: string) => {
      const durationMs = Math.round(performance.now() - startedAt);
      const made: HandshakeStep = { name, state, detail, durationMs };
      steps.push(made);
      options.tell?.(made);
    };
    let timer: NodeJS.Timeout | undefined;
    try {
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Stop('timeout', timeoutSentence(name, options))),
          options.stepTimeoutMs,
        );
      });
      const [result, detail] = await Promise.race([run(), tooLong]);
      done('ok', detail);
      return result;
    } catch (error) {
      if (error instanceof Stop) done('failed', error.message);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  try {
    const addresses = await step('DNS', () => resolveHost(options));
    const socket = await step('TCP', () => openTcp(options, addresses, open));
    const handshake = await step('TLS', () => openTls(options, socket, open));
    await step('server certificate', async () => [undefined, judgeServer(options, handshake.tls)]);
    await step('client certificate', async () => [undefined, judgeAsking(handshake.asked)]);
    await step('ALPN', async () => [undefined, judgeProtocol(handshake.tls)]);
    const session = new Session(options, handshake.tls);
    open.push(session);
    await step('HTTP/2 settings', () => session.settings());
    await step('verdict of the server', () => session.verdict());
    let sentence = `Accepted: ${options.host}:${options.port} took the connection with this certificate.`;
    if (options.probeTopic === undefined) {
      sentence += ' Only a push shows whether it may send for its app: --probe sends one to a random token.';
    } else {
      const topic = options.probeTopic;
      sentence = `Accepted: ${await step('probe', () => session.probe(topic))}`;
    }
    return { verdict: 'accepted', sentence, steps };
  } catch (error) {
    if (error instanceof Stop) return { verdict: error.verdict, sentence: error.message, steps };
    throw error;
  } finally {
    for (const each of open.reverse()) each.destroy();
  }
}

async function resolveHost({ host }: HandshakeOptions): Promise<[Addresses, string]> {
  const family = isIP(host);
  if (family !== 0) return [[{ address: host, family }], `${host} is an address already`];
  try {
    const found = await lookup(host, { all: true });
    return [found, `${host} is ${found.map(({ address }) => address).join(', ')}`];
  } catch (error) {
    throw new Stop(
      'unreachable',
      `The name ${host} cannot be looked up (${codeOf(error)}): check the name, and the DNS of this machine.`,
    );
  }
}

type Addresses = { address: string; family: number }[];

function openTcp(
  { host, port }: HandshakeOptions,
  addresses: Addresses,
  open: { destroy(): void }[],
): Promise<[Socket, string]> {
  const given: LookupFunction = (_, how, done) => {
    const [first] = addresses;
    if (how.all === true) done(null, addresses);
    else done(null, first?.address ?? '', first?.family ?? 4);
  };
  return new Promise((resolve, reject) => {
    // Node gives up on an address after a quarter of a second, which is short for a far one.
    const socket = connectTcp({ host, port, lookup: given, autoSelectFamilyAttemptTimeout: 2_000 });
    open.push(socket);
    socket.once('connect', () => resolve([socket, `connected to ${socket.remoteAddress} port ${port}`]));
    socket.on('error', (error) => {
      const code = codeOf(error);
      reject(
        new Stop(
          'unreachable',
          code === 'ECONNREFUSED'
            ? `Nothing listens on port ${port} of ${host}, or a firewall refuses it: check host and port; APNs answers on 443 and on 2197.`
            : `No connection to ${host} port ${port} (${code}): check the network and the firewall; APNs answers on 443 and on 2197.`,
        ),
      );
    });
  });
}

interface Handshake {
  tls: TLSSocket;
  asked: boolean;
}

function openTls(
  options: HandshakeOptions,
  socket: Socket,
  open: { destroy(): void }[],
): Promise<[Handshake, string]> {
  const { host, ca, certificate, privateKey } = options;
  return new Promise((resolve, reject) => {
    const seen = { asked: false, server: false };
    let tls: TLSSocket;
    try {
      tls = connectTls({
        socket,
        host,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ALPNProtocols: ['h2'],
        minVersion: 'TLSv1.2',
        cert: certificate,
        key: privateKey,
        ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
        // Judged in the next step, where it can be told. Nothing is sent before; the certificate, which is public,
        // is offered within the handshake either way, for Node judges a server only after it.
        rejectUnauthorized: false,
      });
    } catch (error) {
      reject(new Stop('refused', `TLS does not take this key and certificate (${wordsOf(error)}).`));
      return;
    }
    open.push(tls);
    // Only a request for a certificate brings a list of signature algorithms to the client. The secrets that
    // this event is for are not looked at: it marks the moments at which an unfinished handshake can be asked,
    // of which nothing is left once the server has hung up.
    const look = () => {
      seen.server ||= tls.getPeerX509Certificate() !== undefined;
      seen.asked ||= tls.getSharedSigalgs().length > 0;
    };
    tls.on('keylog', look);
    tls.once('secureConnect', () => {
      look();
      tls.off('keylog', look);
      resolve([
        { tls, asked: seen.asked },
        `${tls.getProtocol()} with ${tls.getCipher().standardName ?? tls.getCipher().name}`,
      ]);
    });
    const fail = (error: unknown) => reject(judgeFailedHandshake(options, seen, error));
    tls.on('error', fail);
    tls.once('close', () => fail(new Error('the connection was closed')));
  });
}

function judgeFailedHandshake(
  { host, port }: HandshakeOptions,
  seen: { asked: boolean; server: boolean },
  error: unknown,
): Stop {
  const words = wordsOf(error);
  if (seen.asked) {
    return new Stop(
      'refused',
      `Refused: the server showed its certificate, asked for ours, and ended the handshake when it had it (${words}). It does not trust our certificate, or the certificate has expired or been revoked.`,
    );
  }
  if (/ALERT_NO_APPLICATION_PROTOCOL/.test(words)) return new Stop('wrong-protocol', noHttp2);
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/i.test(words)) {
    return new Stop(
      'wrong-protocol',
      `What answers on ${host}:${port} does not speak TLS: check the port, and whether a proxy is in between.`,
    );
  }
  return new Stop(
    'wrong-protocol',
    `The TLS handshake failed before a client certificate was asked for (${words}): check host and port, and whether a proxy or firewall is in between.`,
  );
}

const unknownAuthority = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function judgeServer({ host, ca }: HandshakeOptions, tls: TLSSocket): string {
  const peer = tls.getPeerX509Certificate();
  const names = peer?.subjectAltName?.replaceAll(/(DNS|IP Address):/g, '') ?? 'no name';
  const issuer = peer?.issuer.replaceAll('\n', ', ') ?? 'nobody';
  if (tls.authorized) return `is for ${names}, from ${issuer}, and valid`;
  const error: unknown = tls.authorizationError;
  const code = typeof error === 'string' ? error : codeOf(error);
  const problem = (sentence: string) => new Stop('untrusted', `Not trusted, and left at once: ${sentence}`);
  if (unknownAuthority.has(code)) {
    throw problem(
      `the server's certificate is from ${issuer}, which this machine does not know (${code}). ${
        ca === undefined
          ? 'If a proxy of yours opens TLS, or this is an emulator, give its authority with --ca FILE.'
          : 'The file given with --ca is not the authority that made it.'
      }`,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    throw problem(`the server's certificate is for ${names} and not for ${host}: check the host.`);
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    throw problem(
      `the server's certificate is valid from ${peer?.validFrom} to ${peer?.validTo}: check the clock of this machine.`,
    );
  }
  throw problem(`the server's certificate cannot be verified (${code}).`);
}

function judgeAsking(asked: boolean): string {
  if (asked) return 'the server asked for it, and it was offered';
  throw new Stop(
    'not-asked',
    'The server did not ask for a client certificate, so it was not offered: this is not APNs, or a proxy that opens TLS is in between.',
  );
}

const noHttp2 =
  'The server did not agree to HTTP/2 (ALPN h2), which APNs demands: this is not APNs, or a proxy is in between.';

function judgeProtocol(tls: TLSSocket): string {
  if (tls.alpnProtocol === 'h2') return 'both speak HTTP/2 (h2)';
  throw new Stop('wrong-protocol', noHttp2);
}

/** What Node shows where a server sets no limit. */
const unlimited = 2 ** 32 - 1;

/** The HTTP/2 part: everything that may end the connection is heard from its first moment. */
class Session {
  readonly #options: HandshakeOptions;
  readonly #session: ClientHttp2Session;
  readonly #settings: Promise<void>;
  readonly #ended: Promise<never>;
  readonly #protocol: string | null;
  #answered = false;

  constructor(options: HandshakeOptions, tls: TLSSocket) {
    this.#options = options;
    const session = connectHttp2(
      `https://${isIP(options.host) === 6 ? `[${options.host}]` : options.host}:${options.port}`,
      {
        createConnection: () => tls,
      },
    );
    this.#session = session;
    this.#protocol = tls.getProtocol();
    this.#settings = new Promise((resolve) => session.once('remoteSettings', () => resolve()));
    this.#ended = new Promise<never>((_, reject) => {
      const refuse = (how: string) => reject(new Stop('refused', how));
      session.on('goaway', (_code, _last, words) => refuse(this.#goawaySentence(words)));
      session.on('error', (error) => refuse(this.#endSentence(wordsOf(error))));
      // An alert after the handshake is an 'error' of the socket that node:http2 does not pass on.
      tls.on('error', (error) => refuse(this.#endSentence(wordsOf(error))));
      session.once('close', () => refuse(this.#endSentence('no reason given')));
      tls.once('close', () => refuse(this.#endSentence('no reason given')));
    });
    // Whether anyone waits when it comes depends on the moment.
    this.#ended.catch(() => {});
  }

  async settings(): Promise<[undefined, string]> {
    await Promise.race([this.#settings, this.#ended]);
    const { maxConcurrentStreams: most = unlimited } = this.#session.remoteSettings;
    return [undefined, `arrived, allowing ${most >= unlimited ? 'any number of' : most} pushes at once`];
  }

  async verdict(): Promise<[undefined, string]> {
    const pinged = new Promise<void>((resolve) => {
      // A ping that fails does so because the session ends, which is heard elsewhere.
      this.#session.ping((error) => {
        if (!error) resolve();
      });
    });
    await Promise.race([pinged, this.#ended]);
    this.#answered = true;
    return [undefined, 'it answers, and did not refuse the certificate'];
  }

  /** One push to a token that no device has. */
  async probe(topic: string): Promise<[string, string]> {
    const voip = topic.endsWith('.voip');
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/3/device/${randomBytes(32).toString('hex')}`,
      'apns-topic': topic,
      'apns-push-type': voip ? 'voip' : topic.endsWith('.complication') ? 'complication' : 'background',
      'apns-priority': voip ? '10' : '5',
      'apns-expiration': '0',
    });
    const { status, reason } = await Promise.race([
      answerOf(stream, '{"aps":{"content-available":1}}'),
      this.#ended,
    ]);
    const answer = `${status}${reason === undefined ? '' : ` ${reason}`}`;
    if (status === 200) {
      const said = `a push for ${topic} to a random token was taken (${answer}), as only an emulator does.`;
      return [said, said];
    }
    if (reason !== undefined && tokenReasons.has(reason)) {
      const said = `a push for ${topic} to a random token got ${answer}, so certificate and topic are right and only the token is not.`;
      return [said, said];
    }
    const row = reason === undefined ? undefined : reasons.get(reason);
    const detail = row !== undefined && 'detail' in row ? row.detail : 'pushmill does not know this answer.';
    const refused = status === 400 || status === 403;
    throw new Stop(
      refused ? 'refused' : 'unclear',
      `${refused ? 'Refused' : 'Not clear'}: a push for ${topic} got ${answer}. ${detail}`,
    );
  }

  destroy(): void {
    this.#session.destroy();
  }

  #goawaySentence(words: Buffer | undefined): string {
    const reason = reasonIn(words?.toString('utf8') ?? '');
    const { environments, host } = this.#options;
    if (reason === 'BadCertificateEnvironment') {
      const says = environments.length === 0 ? 'names none' : `is for ${environments.join(' and ')}`;
      return `Refused: the handshake went well, and then the server ended the connection with BadCertificateEnvironment. ${host} belongs to the other environment than the certificate, which ${says}: use the other --environment, or make a certificate for both ("Sandbox & Production").`;
    }
    const row = reason === undefined ? undefined : reasons.get(reason);
    if (reason !== undefined) {
      const detail =
        row !== undefined && 'detail' in row ? row.detail : 'pushmill does not know this reason.';
      return `Refused: the server ended the connection (GOAWAY) with ${reason}. ${detail}`;
    }
    return 'Refused: the server ended the connection (GOAWAY) without a reason. APNs does so to a certificate that expired or was revoked, and in maintenance; try again, and look at the dates with "pushmill certs inspect".';
  }

  #endSentence(words: string): string {
    if (this.#answered) return `Refused: the server ended the connection at the push (${words}).`;
    return this.#protocol === 'TLSv1.3'
      ? `Refused: the server ended the connection after the handshake (${words}), which under TLS 1.3 is where it judges the client certificate. It does not trust our certificate, or the certificate has expired or been revoked.`
      : `Refused: the server ended the connection after the handshake (${words}).`;
  }
}

/** Answers that judge the token, and so have passed certificate and topic. */
const tokenReasons = new Set(['BadDeviceToken', 'DeviceTokenNotForTopic', 'Unregistered', 'ExpiredToken']);

function answerOf(
  stream: ClientHttp2Stream,
  body: string,
): Promise<{ status: number; reason: string | undefined }> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (headers: IncomingHttpHeaders & { ':status'?: number }) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('data', (chunk: string) => {
      // A proxy's page may be long; a reason is not.
      if (text.length < 4_096) text += chunk;
    });
    stream.on('end', () => resolve({ status, reason: reasonIn(text) }));
    stream.on('error', (error) =>
      reject(new Stop('unclear', `Not clear: the push got no answer (${wordsOf(error)}).`)),
    );
    stream.end(body);
  });
}

function reasonIn(text: string): string | undefined {
  try {
    const { reason } = JSON.parse(text) as { reason?: unknown };
    // It is shown, so it must be a word, as all of APNs' are.
    return typeof reason === 'string' && /^\w{1,100}$/.test(reason) ? reason : undefined;
  } catch {
    return undefined;
  }
}

function timeoutSentence(
  name: HandshakeStep['name'],
  { host, port, stepTimeoutMs }: HandshakeOptions,
): string {
  const remedy: Readonly<Partial<Record<HandshakeStep['name'], string>>> = {
    DNS: 'check the DNS of this machine',
    TCP: 'a firewall may drop it; APNs answers on 443 and on 2197',
    TLS: 'check that the port speaks TLS, and whether a proxy is in between',
  };
  return `No answer from ${host}:${port} within ${stepTimeoutMs / 1000} s (${name}): ${remedy[name] ?? 'try again, or give it longer with --timeout'}.`;
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return String(code ?? message ?? error);
}

/** OpenSSL's message is a thread id and a file of its source; its `reason` is the part for people. */
function wordsOf(error: unknown): string {
  const { code, reason, message } = (error ?? {}) as Record<string, unknown>;
  const words = String(reason ?? message ?? error);
  return code === undefined || words.includes(String(code)) ? words : `${code}, ${words}`;
}
