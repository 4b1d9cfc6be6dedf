import { readFileSync } from 'node:fs';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { issueServerCertificate, madeOnce } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { messageWith, openSender, pushesTo, ValuesInMemory, type Warning } from '../fixtures.ts';
import type { OutgoingMessage, OutgoingPush, Sender, SharedValues } from '../vendor.ts';
import { createSender } from './client.ts';
import { prepareCredential } from './credential.ts';
import type { FcmSettings } from './settings.ts';

/*
 * For tests only: a published assertion, and a server that answers what a test tells it to. It checks nothing, so
 * that a test sees what the sender makes of any answer, those included that Google would hardly give.
 */

export const vector = JSON.parse(
  readFileSync(new URL('./fixtures/assertion.json', import.meta.url), 'utf8'),
) as {
  keyFile: Record<string, string> & { private_key: string; client_email: string; private_key_id: string };
  issuedAt: number;
  signingInput: { characters: number; sha256: string };
  jwt: string;
  form: { bytes: number; sha256: string };
};

export const keyFileText = (changes: Record<string, unknown> = {}) =>
  JSON.stringify({ ...vector.keyFile, ...changes });

export function settingsWith(changes: Partial<FcmSettings> = {}): FcmSettings {
  return { requestTimeoutMs: 5_000, maxConnections: 4, emulator: false, ...changes };
}

export interface Received {
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
  json: Record<string, unknown>;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  /** A text as it is, an object as JSON. Undefined: the connection is cut. */
  body?: unknown;
}

/** Decides what a request gets; undefined for the usual. */
export type Script = (request: Received) => Reply | undefined | Promise<Reply | undefined>;

export class Google {
  readonly received: Received[] = [];
  script: Script = () => undefined;
  #tokens = 0;
  #messages = 0;
  readonly #server: ReturnType<typeof createSecureServer>;
  readonly #sessions = new Set<{ destroy(): void }>();

  private constructor(certificate: string, key: string) {
    this.#server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (request, response) =>
      this.#take(request, response),
    );
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => {});
    });
  }

  static async start(authority: Authority): Promise<Google> {
    const { certificate, privateKey } = await madeOnce(authority, 'fcm test server', () =>
      issueServerCertificate(authority, {
        hosts: ['localhost'],
        notBefore: new Date(Date.now() - 86_400_000),
        notAfter: new Date(Date.now() + 86_400_000),
      }),
    );
    const google = new Google(certificate, privateKey);
    await new Promise<void>((resolve) => google.#server.listen(0, '127.0.0.1', resolve));
    return google;
  }

  get origin(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests of a kind, by the end of their path: `/token`, `messages:send`. */
  of(pathEnd: string): Received[] {
    return this.received.filter(({ path }) => path.endsWith(pathEnd));
  }

  close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #take(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
    const received = { path: request.url, headers: request.headers, text, json };
    this.received.push(received);
    const reply = (await this.script(received)) ?? this.#usual(received);
    if (reply.body === undefined) {
      response.stream.close(8);
      return;
    }
    response.writeHead(reply.status, reply.headers);
    response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body));
  }

  #usual({ path, json }: Received): Reply {
    if (path === '/token') {
      this.#tokens += 1;
      const body = { access_token: `ya29.${this.#tokens}`, expires_in: 3_599, token_type: 'Bearer' };
      return { status: 200, body };
    }
    if (path.endsWith('messages:send')) {
      this.#messages += 1;
      return { status: 200, body: { name: `projects/demo-project/messages/0:${this.#messages}` } };
    }
    return { status: 200, body: { results: (json.registration_tokens as unknown[]).map(() => ({})) } };
  }
}

export interface Scene {
  google: Google;
  sender: Sender;
  warnings: Warning[];
  settings: FcmSettings;
  /** Pushes of one message to tokens `token-0`, `token-1`, ... */
  pushes: (count: number, changes?: Partial<OutgoingMessage>) => OutgoingPush[];
  /** Another sender, as in another process of the cluster unless it brings values of its own. */
  open: (choice?: SceneChoice) => Sender;
}

export interface SceneChoice {
  settings?: Partial<FcmSettings>;
  now?: () => number;
  shared?: SharedValues;
  script?: Script;
}

/** A server, a sender on it, and both closed again, whatever happens. */
export async function stage(
  authority: Authority,
  choice: SceneChoice,
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const google = await Google.start(authority);
  if (choice.script !== undefined) google.script = choice.script;
  const { origin } = google;
  const warnings: Warning[] = [];
  const senders: Sender[] = [];
  const shared = choice.shared ?? new ValuesInMemory();
  const settings = settingsWith({
    sendOrigin: origin,
    tokenOrigin: origin,
    iidOrigin: origin,
    ca: authority.certificate,
    emulator: true,
    ...choice.settings,
  });
  const open = (other: SceneChoice = choice) => {
    const now = other.now ?? choice.now;
    const sender = openSender(
      { prepareCredential, createSender },
      { name: 'fcm', settings, credential: { serviceAccount: keyFileText() } },
      {
        shared: other.shared ?? shared,
        warnings,
        ...(other.settings === undefined ? {} : { settings: other.settings }),
        ...(now === undefined ? {} : { now }),
      },
    );
    senders.push(sender);
    return sender;
  };
  try {
    const sender = open();
    const pushes = (count: number, changes: Partial<OutgoingMessage> = {}) =>
      pushesTo(
        Array.from({ length: count }, (_, n) => `token-${n}`),
        messageWith({ expiresAt: (choice.now ?? Date.now)() + 3_600_000, ...changes }),
      );
    await act({ google, sender, warnings, settings, pushes, open });
  } finally {
    await Promise.all(senders.map((each) => each.close(200)));
    await google.close();
  }
}

/** An error as FCM writes it. */
export function refusal(
  code: number,
  status: string,
  message: string,
  ...details: readonly Record<string, unknown>[]
): Reply {
  return {
    status: code,
    body: { error: { code, message, status, ...(details.length > 0 ? { details } : {}) } },
  };
}

export const fcmError = (errorCode: string) => ({
  '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError',
  errorCode,
});

export const unregistered = () =>
  refusal(404, 'NOT_FOUND', 'Requested entity was not found.', fcmError('UNREGISTERED'));
export const notAToken = () =>
  refusal(
    400,
    'INVALID_ARGUMENT',
    'The registration token is not a valid FCM registration token',
    fcmError('INVALID_ARGUMENT'),
  );
