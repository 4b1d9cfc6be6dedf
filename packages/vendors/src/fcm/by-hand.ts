import { sign } from 'node:crypto';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { request } from 'node:https';
import type { Authority } from '../emulator.ts';
import type { FcmEmulatorHandle } from './emulator.ts';

/*
 * For tests only: calls that the sender would never make. What these clients are told is exactly what goes out.
 */

export interface HandAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** Of the text, where it is JSON. */
  json: {
    name?: string;
    access_token?: string;
    error?: HandError;
    results?: { error?: string }[];
  };
}

export interface HandError {
  code: number;
  message: string;
  status: string;
  details?: { '@type': string; errorCode?: string; reason?: string; fieldViolations?: { field: string }[] }[];
}

type Headers = Record<string, string | undefined>;

interface KeyFile {
  private_key_id: string;
  private_key: string;
  client_email: string;
  token_uri: string;
}

export function keyFileOf(emulator: FcmEmulatorHandle): KeyFile {
  return JSON.parse(emulator.channels[0]?.credential.serviceAccount as string) as KeyFile;
}

export interface AssertionChoice {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  /** PEM; default the file's. */
  key?: string;
}

/** An assertion of the account that is good by itself, where `choice` does not say otherwise. @param now  ms */
export function assertionOf(file: KeyFile, now: number, choice: AssertionChoice = {}): string {
  const iat = Math.floor(now / 1_000);
  const header = { alg: 'RS256', typ: 'JWT', kid: file.private_key_id, ...choice.header };
  const claims = {
    iss: file.client_email,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: file.token_uri,
    iat,
    exp: iat + 3_600,
    ...choice.claims,
  };
  const input = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${input}.${sign('sha256', Buffer.from(input), choice.key ?? file.private_key).toString('base64url')}`;
}

export const formOf = (assertion: string) =>
  new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion,
  }).toString();

const formType = { 'content-type': 'application/x-www-form-urlencoded' };

/** One connection over HTTP/2. */
export class HandClient {
  readonly session: ClientHttp2Session;
  readonly #emulator: FcmEmulatorHandle;
  readonly #now: () => number;
  #authorization: string | undefined;
  goaways: number[] = [];

  /** @param now  milliseconds, for assertions */
  constructor(emulator: FcmEmulatorHandle, authority: Authority, now: () => number = Date.now) {
    this.#emulator = emulator;
    this.#now = now;
    this.session = connect(emulator.origin, { ca: authority.certificate });
    this.session.on('error', () => {});
    this.session.on('goaway', (code) => this.goaways.push(code));
  }

  askToken(choice: AssertionChoice = {}): Promise<HandAnswer> {
    const body = formOf(assertionOf(keyFileOf(this.#emulator), this.#now(), choice));
    return this.call({ ':path': '/token', ...formType }, body);
  }

  /** `authorization` with an access token that is asked for once. */
  async authorization(): Promise<string> {
    this.#authorization ??= `Bearer ${(await this.askToken()).json.access_token}`;
    return this.#authorization;
  }

  /** @param message  a text goes out as the whole body */
  async send(
    message: unknown,
    headers: Headers = {},
    more: Record<string, unknown> = {},
  ): Promise<HandAnswer> {
    const body = typeof message === 'string' ? message : JSON.stringify({ ...more, message });
    return this.call(
      {
        ':path': `/v1/projects/${this.#emulator.projectId}/messages:send`,
        'content-type': 'application/json',
        authorization: await this.authorization(),
        ...headers,
      },
      body,
    );
  }

  call(headers: Headers, body: string | Buffer): Promise<HandAnswer> {
    const all: Record<string, string> = { ':method': 'POST' };
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) all[name] = value;
    return new Promise((resolve, reject) => {
      const stream = this.session.request(all, { endStream: false });
      let answer: (IncomingHttpHeaders & { ':status'?: number }) | undefined;
      const chunks: Buffer[] = [];
      stream.on('response', (got) => {
        answer = got;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        if (answer === undefined) reject(new Error(`no answer, ${stream.rstCode}`));
        else resolve(read(answer[':status'] as number, answer, chunks));
      });
      stream.end(body);
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** One call over HTTP/1.1. */
export function callHttp1(
  emulator: FcmEmulatorHandle,
  authority: Authority,
  about: { method?: string; path: string; headers?: Record<string, string> },
  body: string,
): Promise<HandAnswer> {
  const { method = 'POST', path, headers = {} } = about;
  return new Promise((resolve, reject) => {
    const asked = request(
      `${emulator.origin}${path}`,
      { method, headers, ca: authority.certificate, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(read(response.statusCode as number, response.headers, chunks)));
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

function read(status: number, headers: IncomingHttpHeaders, chunks: readonly Buffer[]): HandAnswer {
  const text = Buffer.concat(chunks).toString();
  const isJson = headers['content-type']?.startsWith('application/json');
  return { status, headers, text, json: isJson ? (JSON.parse(text) as HandAnswer['json']) : {} };
}

/** FCM's own word in an error. */
export function fcmCodeOf({ json }: HandAnswer): string | undefined {
  return json.error?.details?.find((detail) => detail['@type'].endsWith('FcmError'))?.errorCode;
}

/** The fields that an error blames; undefined where it has no such part. */
export function fieldsOf({ json }: HandAnswer): string[] | undefined {
  const detail = json.error?.details?.find((each) => each['@type'].endsWith('BadRequest'));
  return detail === undefined ? undefined : (detail.fieldViolations ?? []).map(({ field }) => field);
}
