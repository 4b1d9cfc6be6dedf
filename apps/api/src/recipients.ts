import type { Audience, FieldProblem, MessageContent } from '@pushmill/core';
import type { ChannelRow, Recipient } from '@pushmill/store';
import type { PublicCredential, Vendor } from '@pushmill/vendors';
import type { Static } from 'typebox';
import { audienceCheck } from './audience-check.ts';
import { deviceFieldOf, type EntryDevices, leftOut, type MeantDevices } from './device-recipients.ts';
import { type MessageBody, type RejectedSchema, tokenFault } from './message-schema.ts';
import type { Slot, Timetable } from './timetable.ts';
import { fieldName } from './validation.ts';

export type Rejected = Static<typeof RejectedSchema>;

export interface RecipientDeps {
  devices: Pick<MeantDevices, 'of' | 'tooMany'>;
  channels: ReadonlyMap<string, ChannelRow>;
  vendors: Readonly<Record<string, Vendor>>;
  slotOf: Timetable['slotOf'];
}

type Entry = MessageBody['to'][number];
type Address = { channel: ChannelRow; vendor: Vendor };
type Reject = (pointer: string, code: string, detail: string) => void;

/** The pushes that a message's `to` becomes, and the recipients that cannot be sent to, each with its reason. */
export function planRecipients(
  to: readonly Entry[],
  content: MessageContent,
  deps: RecipientDeps,
): { recipients: Recipient[]; rejected: Rejected[] } {
  const planner = new RecipientPlanner(content, deps);
  for (const [index, entry] of to.entries()) planner.add(entry, index);
  return planner;
}

class RecipientPlanner {
  readonly recipients: Recipient[] = [];
  readonly rejected: Rejected[] = [];
  readonly #content: MessageContent;
  readonly #deps: RecipientDeps;
  readonly #seen = new Set<string>();
  /** A message is checked once for a channel, however many entries name it. */
  readonly #refusals = new Map<string, FieldProblem[]>();

  constructor(content: MessageContent, deps: RecipientDeps) {
    this.#content = content;
    this.#deps = deps;
  }

  add(entry: Entry, index: number): void {
    const at = `/to/${index}`;
    const reject: Reject = (pointer, code, detail) => {
      this.rejected.push({ index, pointer, code, detail });
    };
    const wrong = faultOf(entry, at);
    if (wrong) {
      reject(wrong.pointer, wrong.code, wrong.detail);
      return;
    }
    const named = this.#addressOf(entry.channel);
    if (entry.channel !== undefined && !named) {
      reject(`${at}/channel`, 'unknown-channel', `to.${index}.channel: the app has no channel of this name.`);
      return;
    }
    const devices = this.#deps.devices.of(entry);
    if (devices) this.#addDevices(entry, devices, at, reject);
    else if (named && this.#mayHave(named, reject)) {
      if (entry.audience !== undefined) this.#addAudience(entry.audience as Audience, named, at, reject);
      else this.#addTokens(entry, named, at, reject);
    }
  }

  #addressOf(name: string | undefined): Address | undefined {
    const channel = name === undefined ? undefined : this.#deps.channels.get(name);
    const vendor = channel && this.#deps.vendors[channel.vendor];
    return vendor && { channel, vendor };
  }

  /** Whether the vendor would take the message on this channel. */
  #mayHave({ channel, vendor }: Address, reject: Reject): boolean {
    let refused = this.#refusals.get(channel.id);
    if (!refused) {
      const credential = channel.credentialShown as PublicCredential;
      refused = vendor.checkMessage(this.#content, channel.settings, credential);
      this.#refusals.set(channel.id, refused);
    }
    for (const { pointer, code, detail } of refused) reject(pointer, code, detail);
    return refused.length === 0;
  }

  #addTokens(entry: Entry, { channel, vendor }: Address, at: string, reject: Reject): void {
    const { environment } = entry;
    const unknown = environment === undefined ? undefined : checkEnvironment(environment, vendor);
    if (unknown !== undefined) {
      reject(`${at}/environment`, 'not-allowed', `${fieldName(at)}.environment: ${unknown}`);
      return;
    }
    const slot = this.#deps.slotOf();
    if (!slot) {
      rejectPassed(`${at}/${entry.tokens ? 'tokens' : 'token'}`, 'there', reject);
      return;
    }
    const tokens = entry.tokens ?? [entry.token as string];
    tokens.forEach((token, place) => {
      const pointer = entry.tokens ? `${at}/tokens/${place}` : `${at}/token`;
      const wrong = vendor.checkToken(token, channel.settings) ?? tokenFault(token);
      if (wrong !== undefined) reject(pointer, 'wrong-token-form', `${fieldName(pointer)}: ${wrong}`);
      else if (!this.#addToken(channel, { token, environment }, slot)) rejectDuplicate(pointer, reject);
    });
  }

  #addDevices(entry: Entry, found: EntryDevices, at: string, reject: Reject): void {
    const field = deviceFieldOf(entry) as string;
    const pointer = `${at}/${field}`;
    /** By channel; what is wrong with the message there is said once an entry. */
    const sendable = new Map<string, boolean>();
    let taken = 0;
    let known = 0;
    let passed = 0;
    for (const device of found.active) {
      const address = this.#addressOf(device.channel);
      // The channel was removed a moment ago, or made anew under its name.
      if (address?.channel.id !== device.channelId) continue;
      let sends = sendable.get(device.channel);
      if (sends === undefined) {
        sends = this.#mayHave(address, reject);
        sendable.set(device.channel, sends);
      }
      if (!sends) continue;
      const slot = this.#deps.slotOf(device.timeZone);
      // That another entry means the same device is in the nature of users and tags.
      if (!slot) passed += 1;
      else if (this.#addToken(address.channel, device, slot)) taken += 1;
      else known += 1;
    }
    if (taken === 0 && known > 0) rejectDuplicate(pointer, reject);
    if (passed > 0) {
      rejectPassed(pointer, passed === 1 ? 'where one device is' : `where ${passed} devices are`, reject);
    }
    for (const { code, detail } of leftOut(field, found, sendable.size > 0)) {
      reject(pointer, code, `${fieldName(pointer)}: ${detail}`);
    }
  }

  /** False when it is in the message already. */
  #addToken(
    channel: ChannelRow,
    { token, environment }: { token: string; environment?: string | null | undefined },
    slot: Slot,
  ): boolean {
    if (!this.#isNew(`${channel.id} ${token}`)) return false;
    // Said or not, the channel's own is the same environment.
    const own = environment && environment !== channel.settings.environment ? { environment } : {};
    this.recipients.push({ channelId: channel.id, token, ...own, ...slot });
    return true;
  }

  #addAudience(audience: Audience, { channel, vendor }: Address, at: string, reject: Reject): void {
    const pointer = `${at}/audience`;
    if (!vendor.audiences) {
      reject(pointer, 'not-allowed', `${fieldName(pointer)}: ${vendor.title} finds no devices by itself.`);
      return;
    }
    let problems = audienceCheck(vendor)(audience, pointer);
    if (problems.length === 0) {
      problems = vendor.audiences
        .check(audience, this.#content, channel.settings)
        .map((problem) =>
          ofMessage.test(problem.pointer) ? problem : { ...problem, pointer: pointer + problem.pointer },
        );
    }
    for (const problem of problems) reject(problem.pointer, problem.code, problem.detail);
    if (problems.length > 0) return;
    const slot = this.#deps.slotOf();
    if (!slot) rejectPassed(pointer, 'there', reject);
    else if (this.#isNew(`${channel.id} ${JSON.stringify(audience)}`)) {
      this.recipients.push({ channelId: channel.id, token: '', audience, ...slot });
    } else rejectDuplicate(pointer, reject);
  }

  #isNew(address: string): boolean {
    const { size } = this.#seen;
    return this.#seen.add(address).size > size;
  }
}

function rejectDuplicate(pointer: string, reject: Reject): void {
  const detail = `${fieldName(pointer)} is in the message already; it is sent once.`;
  reject(pointer, 'duplicate-recipient', detail);
}

function rejectPassed(pointer: string, where: string, reject: Reject): void {
  const detail = `${fieldName(pointer)}: sendAtLocal has passed ${where}; not sent to.`;
  reject(pointer, 'local-time-passed', detail);
}

const ways = ['token', 'tokens', 'audience', 'user', 'tag', 'device'] as const;

/** What is wrong with the fields of an entry together. */
function faultOf(entry: Entry, at: string): FieldProblem | undefined {
  const byDevice = deviceFieldOf(entry) !== undefined;
  if (entry.channel === undefined && !byDevice) {
    return { pointer: `${at}/channel`, code: 'required', detail: `${fieldName(at)}.channel is required.` };
  }
  if (ways.filter((way) => entry[way] !== undefined).length !== 1) {
    const detail = `${fieldName(at)} needs one of ${ways.join(', ')}.`;
    return { pointer: `${at}/token`, code: 'required', detail };
  }
  if (entry.environment !== undefined && entry.token === undefined && entry.tokens === undefined) {
    const detail = `${fieldName(at)}.environment goes with token and tokens only.`;
    return { pointer: `${at}/environment`, code: 'not-allowed', detail };
  }
  return undefined;
}

/** Undefined when the vendor has this environment, else a sentence. */
export function checkEnvironment(environment: string, vendor: Vendor): string | undefined {
  if (vendor.environments?.includes(environment)) return undefined;
  const known = vendor.environments?.join(' and ');
  return known ? `${vendor.title} has ${known}.` : `${vendor.title} has only one.`;
}

/** Where a vendor's check of an audience speaks of the message instead. */
const ofMessage = /^\/(notification|data|vendor|ttlSeconds|collapseKey|priority)(\/|$)/;
