import type { Outcome } from '@pushmill/core';
import type {
  OpenChannel,
  OperationAnswer,
  OutgoingMessage,
  OutgoingPush,
  Sender,
  SenderDeps,
} from '../vendor.ts';
import type { BroadcastAudience } from './broadcast.ts';
import { broadcastRequest } from './broadcast.ts';
import { broadcastReasons } from './broadcast-errors.ts';
import type { ApnsCredential } from './credential.ts';
import { reasons } from './errors.ts';
import type { AnswerRules } from './exchange.ts';
import { Exchange } from './exchange.ts';
import { Hosts } from './host.ts';
import { operate } from './operations.ts';
import type { PreparedMessage } from './payload.ts';
import { prepareMessage } from './payload.ts';
import type { ApnsSettings } from './settings.ts';

/**
 * Sends for one channel over connections of its own: APNs binds a connection to the first credential it sees,
 * so two channels never share one.
 * @throws CredentialError  when a token key cannot sign
 */
export function createSender(channel: OpenChannel<ApnsSettings, ApnsCredential>, deps: SenderDeps): Sender {
  return new ApnsSender(channel.settings, channel.credential, deps);
}

const pushRules: AnswerRules = { taken: 200, reasons };
const broadcastRules: AnswerRules = { taken: 200, reasons: broadcastReasons };

class ApnsSender implements Sender {
  readonly #settings: ApnsSettings;
  readonly #credential: ApnsCredential;
  readonly #hosts: Hosts;
  readonly #exchange: Exchange;
  readonly #prepared = new WeakMap<OutgoingMessage, PreparedMessage>();

  constructor(settings: ApnsSettings, credential: ApnsCredential, deps: SenderDeps) {
    this.#settings = settings;
    this.#credential = credential;
    this.#exchange = new Exchange(credential, deps);
    this.#hosts = new Hosts(settings, credential);
  }

  async send(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const [push] = pushes;
    if (pushes.length === 1 && push !== undefined) return [await this.#send(push, signal)];
    return Promise.all(pushes.map((each) => this.#send(each, signal)));
  }

  operate(
    name: string,
    input: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<OperationAnswer> {
    return operate(name, input, signal, {
      settings: this.#settings,
      credential: this.#credential,
      hosts: this.#hosts,
      exchange: this.#exchange,
    });
  }

  close(deadlineMs: number): Promise<void> {
    return this.#hosts.close(deadlineMs);
  }

  /** No promise of its own: what the exchange promises is what the push gets. */
  #send(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const { environment } = push;
    const isOwn = environment === undefined || environment === this.#settings.environment;
    const host = isOwn ? this.#hosts.own : this.#hosts.other;
    if (host === undefined) return Promise.resolve(noOtherEmulator);
    if (push.audience !== undefined) {
      // Its schema was checked when the message was taken.
      const request = broadcastRequest(push, push.audience as BroadcastAudience, this.#settings, signal);
      return this.#exchange.run(host, request, broadcastRules, true);
    }
    const message = this.#prepare(push.message);
    const request = {
      method: 'POST',
      path: `/3/device/${push.token}`,
      headers: this.#headers(push, message),
      body: message.body,
      signal,
    };
    return this.#exchange.run(host, request, pushRules, message.ownTopic);
  }

  #prepare(message: OutgoingMessage): PreparedMessage {
    let prepared = this.#prepared.get(message);
    if (prepared === undefined) {
      prepared = prepareMessage(message, this.#settings);
      this.#prepared.set(message, prepared);
    }
    return prepared;
  }

  #headers(push: OutgoingPush, message: PreparedMessage): Record<string, string> {
    const headers: Record<string, string> = {
      'apns-id': push.identity,
      'apns-push-type': message.pushType,
      'apns-topic': message.topic,
      'apns-priority': message.priority,
      'apns-expiration': message.expiration,
    };
    if (message.collapseId !== undefined) headers['apns-collapse-id'] = message.collapseId;
    // APNs does not drop a second copy by its apns-id; the device replaces it by this.
    else if (this.#settings.collapse === 'identity') headers['apns-collapse-id'] = push.identity;
    return headers;
  }
}

const noOtherEmulator: Outcome = {
  kind: 'rejected',
  code: 'no-other-environment',
  detail:
    'The device is filed under another environment than the channel, and the channel reaches an emulator: its setting otherOrigin names none for that environment.',
};
