import { generateKeyPairSync, randomUUID } from 'node:crypto';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:http2';
import type { Outcome } from '@pushmill/core';
import type { Authority } from '../emulator.ts';
import { ValuesInMemory } from '../fixtures.ts';
import type { OutgoingMessage, OutgoingPush, PreparedCredential, Sender } from '../vendor.ts';
import { createSender } from './client.ts';
import { type ApnsCredential, prepareCredential } from './credential.ts';
import type { ApnsEmulatorHandle, ApnsEmulatorOptions, KnownKey } from './emulator.ts';
import { startApnsEmulator } from './emulator.ts';
import type { ApnsSettings } from './settings.ts';
import { signToken } from './sign.ts';

export const minute = 60_000;
export const deviceToken = '00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0';

export type ChannelName = 'apns-token' | 'apns-cert';

/** What one sender is made of, where it differs from what the emulator offers. */
export interface SenderChoice {
  channel?: ChannelName;
  settings?: Partial<ApnsSettings>;
  credential?: Record<string, unknown>;
  senderNow?: () => number;
}

export interface Scene {
  emulator: ApnsEmulatorHandle;
  sender: Sender;
  settings: ApnsSettings;
  warnings: string[];
  /** Values that the senders of the scene made and shared: provider tokens. */
  made: () => number;
  push: (over?: Partial<OutgoingPush>) => OutgoingPush;
  send: (push: OutgoingPush) => Promise<Outcome>;
  /** Another sender on the same emulator. */
  open: (choice: SenderChoice) => Promise<Sender>;
}

export interface SceneOptions extends Partial<ApnsEmulatorOptions>, SenderChoice {
  content?: Partial<OutgoingMessage>;
}

/** An emulator, a sender on one of its channels, and both closed again, whatever happens. */
export async function stage(
  authority: Authority,
  options: SceneOptions,
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { channel, settings, credential, senderNow, content, ...emulation } = options;
  const choice: SenderChoice = {
    ...(channel === undefined ? {} : { channel }),
    ...(settings === undefined ? {} : { settings }),
    ...(credential === undefined ? {} : { credential }),
    ...(senderNow === undefined ? {} : { senderNow }),
  };
  const emulator = await startApnsEmulator({ port: 0, authority, seed: 1, ...emulation });
  const warnings: string[] = [];
  const shared = new ValuesInMemory();
  const senders: Sender[] = [];
  const settingsOf = ({ channel: name = 'apns-token', settings: over }: SenderChoice) => {
    const offered = emulator.channels.find((each) => each.name === name);
    return { offered, all: { ...(offered?.settings as ApnsSettings), ...over } };
  };
  const open = async (wanted: SenderChoice): Promise<Sender> => {
    const { offered, all } = settingsOf(wanted);
    const prepared = await (wanted.credential === undefined
      ? preparedOnce(offered?.credential ?? {}, all)
      : prepareCredential(wanted.credential, all, new Date()));
    const sender = createSender(
      { id: 'channel', settings: all, credential: prepared.credential },
      {
        now: wanted.senderNow ?? Date.now,
        warn: (_fields, message) => warnings.push(message),
        shared,
      },
    );
    senders.push(sender);
    return sender;
  };
  const message: OutgoingMessage = {
    id: randomUUID(),
    createdAt: Date.now(),
    expiresAt: Date.now() + 60 * minute,
    class: 'transactional',
    priority: 'high',
    notification: { body: 'Hello' },
    ...content,
  };
  const { signal } = new AbortController();
  try {
    const sender = await open(choice);
    await act({
      emulator,
      sender,
      settings: settingsOf(choice).all,
      warnings,
      made: () => shared.made,
      push: (over) => ({
        id: `${message.id}.0`,
        identity: randomUUID(),
        token: emulator.newToken(),
        message,
        ...over,
      }),
      send: async (push) => (await sender.send([push], signal))[0] as Outcome,
      open,
    });
  } finally {
    await Promise.all(senders.map((each) => each.close(200)));
    await emulator.close();
  }
}

const prepared = new Map<string, Promise<PreparedCredential<ApnsCredential>>>();

/** Emulators on one authority offer the same credential, and opening a .p12 takes a thread of its own. */
function preparedOnce(
  offered: Record<string, unknown>,
  settings: ApnsSettings,
): Promise<PreparedCredential<ApnsCredential>> {
  const { environment, topic, origin } = settings;
  const key = JSON.stringify([offered, environment, topic, origin === undefined]);
  const known = prepared.get(key) ?? prepareCredential(offered, settings, new Date());
  prepared.set(key, known);
  return known;
}

export function count(outcomes: readonly Outcome[]): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { kind } of outcomes) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

export const many = <T>(n: number, make: (index: number) => T): T[] =>
  Array.from({ length: n }, (_, index) => make(index));

/** A signing key, and what the emulator knows of it. */
export function makeKey(keyId: string, teamId: string, more: Partial<KnownKey> = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  return {
    known: { keyId, teamId, publicKey, ...more },
    credential: { kind: 'token', keyId, teamId, privateKey: pem },
    header: (issuedAt: number) => `bearer ${signToken({ keyId, teamId, privateKey: pem }, issuedAt / 1_000)}`,
  };
}

export type Answer = {
  status: number;
  headers: IncomingHttpHeaders;
  reason: string | undefined;
  timestamp?: number;
};

/** A client that knows nothing of the sender: what it says is exactly what goes out. */
export class RawClient {
  readonly session: ClientHttp2Session;
  goaways: string[] = [];

  /** @param tls  a client certificate, for the other kind of credential */
  constructor(origin: string, authority: Authority, tls: { cert?: string; key?: string } = {}) {
    this.session = connect(origin, { ...tls, ca: authority.certificate, peerMaxConcurrentStreams: 1 });
    this.session.on('error', () => {});
    this.session.on('goaway', (_code, _last, data?: Uint8Array) => {
      if (data !== undefined && data.length > 0) this.goaways.push(Buffer.from(data).toString());
    });
  }

  send(
    headers: Record<string, string | string[] | undefined>,
    body = '{"aps":{"alert":"Hello"}}',
  ): Promise<Answer> {
    const all: Record<string, string | string[]> = { ':method': 'POST', ':path': `/3/device/${deviceToken}` };
    for (const [name, value] of Object.entries(headers)) {
      if (value === undefined) delete all[name];
      else all[name] = value;
    }
    return new Promise((resolve, reject) => {
      // Node ends a GET or DELETE by itself.
      const stream = this.session.request(all, { endStream: body === '' });
      let answer: IncomingHttpHeaders & { ':status'?: number } = {};
      const chunks: Buffer[] = [];
      stream.on('response', (got) => {
        answer = got;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => {
        if (answer[':status'] === undefined) {
          reject(new Error(`no answer, ${stream.rstCode}`));
          return;
        }
        const text = Buffer.concat(chunks).toString();
        const parsed = text === '' ? {} : (JSON.parse(text) as { reason: string; timestamp?: number });
        resolve({ status: answer[':status'], headers: answer, reason: undefined, ...parsed });
      });
      if (body !== '') stream.end(body);
    });
  }

  close(): void {
    this.session.destroy();
  }
}
