import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { CredentialError, formatPushId, newId, type Outcome, pushIdentity } from '@pushmill/core';
import type {
  Audience,
  Emulator,
  EmulatorAccount,
  EmulatorChannel,
  OpenChannel,
  OutgoingPush,
  Sender,
  SharedValues,
  Vendor,
} from '@pushmill/vendors';
import { Value } from 'typebox/value';

type Fields = Record<string, unknown>;

/**
 * One channel of an emulator made ready to send, and a memory of all that was said: what the emulator's
 * account must agree with, and what no secret may have got into.
 */
export class VendorBench {
  readonly channel: OpenChannel<Fields, Fields>;
  readonly outcomes: Outcome[] = [];
  readonly warnings: unknown[] = [];
  readonly tokens: string[] = [];
  /** Ids of pushes that the vendor said it took. */
  readonly accepted = new Set<string>();
  /** Ids of pushes whose answer never came. */
  readonly unanswered = new Set<string>();
  readonly vendor: Vendor;
  readonly emulator: Emulator;
  readonly offered: EmulatorChannel;
  readonly #before: EmulatorAccount;
  readonly #senders: Sender[] = [];

  private constructor(
    vendor: Vendor,
    emulator: Emulator,
    offered: EmulatorChannel,
    channel: OpenChannel<Fields, Fields>,
  ) {
    this.vendor = vendor;
    this.emulator = emulator;
    this.offered = offered;
    this.channel = channel;
    this.#before = emulator.account();
  }

  static async open(vendor: Vendor, emulator: Emulator, offered: EmulatorChannel): Promise<VendorBench> {
    const settings = Value.Default(vendor.settingsSchema, structuredClone(offered.settings)) as Fields;
    const { credential } = await vendor.prepareCredential(offered.credential, settings, new Date());
    return new VendorBench(vendor, emulator, offered, { id: `suite-${offered.name}`, settings, credential });
  }

  /** A sender that `close` will close at the latest. */
  openSender(settings: Fields = {}, credential: Fields = this.channel.credential): Sender {
    const channel = { ...this.channel, settings: { ...this.channel.settings, ...settings }, credential };
    const sender = this.vendor.createSender(channel, {
      now: Date.now,
      shared: sharedInMemory(),
      warn: (fields, message) => this.warnings.push({ fields, message }),
    });
    this.#senders.push(sender);
    return sender;
  }

  /** Pushes of one message to new tokens. */
  pushes(count: number): OutgoingPush[] {
    const createdAt = Date.now();
    const message = {
      id: newId(),
      createdAt,
      expiresAt: createdAt + 3_600_000,
      notification: { title: 'Parcel', body: 'It is at the door.' },
      data: { parcel: '4711' },
      class: 'transactional',
      priority: 'high',
    } as const;
    return Array.from({ length: count }, (_, n) => {
      const ref = { messageId: message.id, n };
      const token = this.emulator.newToken(this.offered.name);
      this.tokens.push(token);
      return { id: formatPushId(ref), identity: pushIdentity(ref), token, message };
    });
  }

  push(): OutgoingPush {
    return this.pushes(1)[0] as OutgoingPush;
  }

  /** To devices that the vendor finds itself. */
  audiencePush(audience: Audience): OutgoingPush {
    return { ...this.push(), token: '', audience };
  }

  /** One call. Remembers what it concluded. */
  async send(
    sender: Sender,
    pushes: readonly OutgoingPush[],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<readonly Outcome[]> {
    const outcomes = await sender.send(pushes, signal);
    pushes.forEach((push, index) => {
      const outcome = outcomes[index];
      if (outcome === undefined) throw new Error(`push ${push.id} got no outcome`);
      this.outcomes.push(outcome);
      if (outcome.kind === 'accepted') this.accepted.add(push.id);
      if (outcome.kind === 'unavailable' && outcome.mayHaveArrived) this.unanswered.add(push.id);
    });
    return outcomes;
  }

  async sendOne(sender: Sender, push: OutgoingPush, signal?: AbortSignal): Promise<Outcome> {
    return (await this.send(sender, [push], signal))[0] as Outcome;
  }

  /** What the emulator counted since the bench was opened. */
  account(): { requests: number; accepted: number; duplicates: number } {
    const now = this.emulator.account();
    return {
      requests: now.requests - this.#before.requests,
      accepted: now.accepted - this.#before.accepted,
      duplicates: now.duplicates - this.#before.duplicates,
    };
  }

  /** Prepares and uses another credential: `unusable` when it was refused before any call. */
  async tryCredential(credential: Fields): Promise<Outcome['kind'] | 'unusable'> {
    return this.#tryWith(credential, async (sender) => this.sendOne(sender, this.push()));
  }

  /** The same, but asks and does not send. */
  async verifyCredential(credential: Fields): Promise<Outcome['kind'] | 'unusable'> {
    return this.#tryWith(credential, async (sender) => {
      const answer = await sender.operate?.('verify', {}, new AbortController().signal);
      if (!answer) throw new Error('the sender does no operations');
      this.outcomes.push(answer.outcome);
      return answer.outcome;
    });
  }

  async #tryWith(
    credential: Fields,
    use: (sender: Sender) => Promise<Outcome>,
  ): Promise<Outcome['kind'] | 'unusable'> {
    let prepared: Fields;
    try {
      prepared = (await this.vendor.prepareCredential(credential, this.channel.settings, new Date()))
        .credential;
    } catch (error) {
      if (error instanceof CredentialError) return 'unusable';
      throw error;
    }
    const sender = this.openSender({}, prepared);
    const { kind } = await use(sender);
    await sender.close(1_000);
    return kind;
  }

  async close(): Promise<void> {
    await Promise.all(this.#senders.map((sender) => sender.close(0)));
  }
}

/** Resolves when the condition holds. A wait for a state, with a bound that only a fault reaches. */
export async function until(condition: () => boolean, what: string, boundMs = 10_000): Promise<void> {
  const end = Date.now() + boundMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${boundMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What the cluster shares, for a cluster of one. */
export function sharedInMemory(): SharedValues {
  const values = new Map<string, { value: Promise<string>; until: number }>();
  return {
    getOrMake(key, ttlMs, make) {
      const known = values.get(key);
      if (known !== undefined && known.until > Date.now()) return known.value;
      const value = make();
      const entry = { value, until: Date.now() + ttlMs };
      values.set(key, entry);
      // Nothing was made, so the next one who asks makes it.
      value.catch(() => {
        if (values.get(key) === entry) values.delete(key);
      });
      return value;
    },
    async forget(key, seen) {
      if ((await values.get(key)?.value) === seen) values.delete(key);
    },
  };
}

/**
 * The credential with one field spoilt, once for each text in it: keys become other keys of the same kind. Of a key
 * file in JSON each text is spoilt by itself.
 */
export function spoilt(credential: Fields): { field: string; credential: Fields }[] {
  return Object.entries(credential).flatMap(([field, value]) => {
    if (typeof value !== 'string' || value === '') return [];
    const file = keyFile(value);
    if (file === undefined) return [{ field, credential: { ...credential, [field]: spoil(value) } }];
    return spoilt(file).map((within) => ({
      field: `${field}.${within.field}`,
      credential: { ...credential, [field]: JSON.stringify(within.credential) },
    }));
  });
}

/** The fields of a text that is a file in JSON. */
function keyFile(text: string): Fields | undefined {
  return text.startsWith('{') ? (JSON.parse(text) as Fields) : undefined;
}

function isPrivateKey(text: string): boolean {
  return text.includes('PRIVATE KEY') && !text.includes('CERTIFICATE');
}

function spoil(text: string): string {
  if (isPrivateKey(text)) {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(text);
    const { privateKey } =
      asymmetricKeyType === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: asymmetricKeyDetails?.namedCurve ?? 'prime256v1' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  }
  const last = text.search(/[0-9A-Za-z](?=[^0-9A-Za-z]*$)/);
  const other = text[last] === 'A' ? 'B' : 'A';
  return text.slice(0, last) + other + text.slice(last + 1);
}

/**
 * Pieces of a credential that must not be found anywhere: 24 characters out of the middle of each key and each
 * long secret. Short texts are left out, because a password like the emulator's is also an ordinary word, and all of
 * a key file in JSON but its key: names and addresses stand there too.
 */
export function secretPieces(credential: Fields): string[] {
  return Object.values(credential).flatMap((value) => {
    const file = typeof value === 'string' ? keyFile(value) : undefined;
    if (file !== undefined) return secretPieces({ key: Object.values(file).map(String).find(isPrivateKey) });
    if (typeof value !== 'string' || (value.includes('CERTIFICATE') && !value.includes('PRIVATE KEY')))
      return [];
    const lines = value.split('\n').filter((line) => line.length >= 20 && !line.includes('-----'));
    const line = lines[Math.floor(lines.length / 2)];
    if (line === undefined) return [];
    const start = Math.max(0, Math.floor((line.length - 24) / 2));
    return [line.slice(start, start + 24)];
  });
}
