import { formatPushId, newId, pushIdentity } from '@pushmill/core';
import type { EmulatorChannel } from './emulator.ts';
import type {
  OpenChannel,
  OutgoingMessage,
  OutgoingPush,
  PreparedCredential,
  Sender,
  SenderDeps,
  SharedValues,
} from './vendor.ts';

/* For tests only: messages, pushes, and senders at an emulator. */

export function messageWith(changes: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    id: newId(),
    createdAt: 0,
    expiresAt: 600_000,
    notification: { title: 'Parcel', body: 'It is at the door.' },
    class: 'transactional',
    priority: 'high',
    ...changes,
  };
}

/** @param numbers  which pushes of the message these are; from 0 on when left out */
export function pushesTo(
  tokens: readonly string[],
  message: OutgoingMessage,
  numbers: readonly number[] = tokens.map((_, n) => n),
): OutgoingPush[] {
  return tokens.map((token, index) => {
    const ref = { messageId: message.id, n: numbers[index] as number };
    return { id: formatPushId(ref), identity: pushIdentity(ref), token, message };
  });
}

export interface Warning {
  fields: Record<string, unknown>;
  message: string;
}

/** What a channel is made of, where it differs from what the emulator offers. */
export interface ChannelChoice<Settings> {
  settings?: Partial<Settings>;
  credential?: Record<string, unknown>;
}

export interface SenderChoice<Settings> extends ChannelChoice<Settings> {
  now?: () => number;
  shared?: SharedValues;
  /** Collects what the sender warns of. */
  warnings?: Warning[];
}

type Prepare<Settings, Credential> = (input: unknown, settings: Settings) => PreparedCredential<Credential>;

export function openChannel<Settings, Credential>(
  prepareCredential: Prepare<Settings, Credential>,
  offered: EmulatorChannel,
  choice: ChannelChoice<Settings> = {},
): OpenChannel<Settings, Credential> {
  const settings = { ...offered.settings, ...choice.settings } as Settings;
  const { credential } = prepareCredential({ ...offered.credential, ...choice.credential }, settings);
  return { id: offered.name, settings, credential };
}

export function openSender<Settings, Credential>(
  of: {
    prepareCredential: Prepare<Settings, Credential>;
    createSender: (channel: OpenChannel<Settings, Credential>, deps: SenderDeps) => Sender;
  },
  offered: EmulatorChannel,
  choice: SenderChoice<Settings> = {},
): Sender {
  return of.createSender(openChannel(of.prepareCredential, offered, choice), {
    now: choice.now ?? Date.now,
    shared: choice.shared ?? new ValuesInMemory(),
    warn: (fields, message) => choice.warnings?.push({ fields, message }),
  });
}

/** Of one process, and for ever. */
export class ValuesInMemory implements SharedValues {
  made = 0;
  readonly #values = new Map<string, string>();

  async getOrMake(key: string, _ttlMs: number, make: () => Promise<string>): Promise<string> {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    this.made += 1;
    const value = await make();
    this.#values.set(key, this.#values.get(key) ?? value);
    return this.#values.get(key) as string;
  }

  async forget(key: string, seen: string): Promise<void> {
    if (this.#values.get(key) === seen) this.#values.delete(key);
  }
}
