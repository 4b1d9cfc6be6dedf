import type { Outcome } from '@pushmill/core';
import { withoutToken } from '../audience-outcome.ts';
import type { OperationAnswer, OutgoingMessage, OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { takenId, type Verdict } from './answer.ts';
import { type FcmAudience, targetOf } from './audience.ts';
import { type Call, type Channel, Exchange } from './exchange.ts';
import { operate, sendPath } from './operations.ts';
import { closeBody, closeTrial, overridesOf, type PreparedMessage, prepareMessage } from './payload.ts';
import { Standing } from './standing.ts';

/** @throws CredentialError  when the private key cannot be read */
export function createSender(channel: Channel, deps: SenderDeps): Sender {
  return new FcmSender(channel, deps);
}

/** What is known of a message while its pushes are sent. */
interface Sending extends PreparedMessage {
  /** FCM has taken it for some target, so that what it refuses is not the message. */
  isProven: boolean;
  /** Under way, or answered. */
  trial: Promise<boolean | undefined> | undefined;
  hidden: readonly string[];
}

/** Any name: a call on trial is checked as far as the topic's name goes, and reaches nobody. */
const trialTopic = 'pushmill-trial';

class FcmSender implements Sender {
  readonly #channel: Channel;
  readonly #deps: SenderDeps;
  readonly #exchange: Exchange;
  readonly #standing: Standing;
  readonly #path: string;
  readonly #address: 'token' | 'fid';
  readonly #isEmulated: boolean;
  readonly #sendings = new WeakMap<OutgoingMessage, Sending>();

  constructor(channel: Channel, deps: SenderDeps) {
    this.#channel = channel;
    this.#deps = deps;
    this.#exchange = new Exchange(channel, deps);
    this.#standing = new Standing(deps.now);
    this.#path = sendPath(channel);
    this.#address = channel.settings.address ?? 'token';
    this.#isEmulated = channel.settings.emulator;
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
    return operate(name, input, signal, this.#channel, this.#exchange);
  }

  close(deadlineMs: number): Promise<void> {
    return this.#exchange.close(deadlineMs);
  }

  /** No promise of its own: what the exchange promises is what the push gets. */
  #send(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const { audience, token } = push;
    const sending = this.#sendingOf(push.message);
    if (audience !== undefined) {
      // Its schema was checked when the message was taken.
      const { target, name } = targetOf(audience as FcmAudience);
      const call = this.#callWith(closeBody(target, name, sending.tail), push, sending.hidden);
      return this.#exchange.run(this.#exchange.hosts.send, call, signal, (verdict) =>
        verdict.outcome.kind === 'accepted' ? taken(verdict) : withoutToken(verdict.outcome),
      );
    }
    const hidden = sending.hidden.length === 0 ? [token] : [token, ...sending.hidden];
    const call = this.#callWith(closeBody(this.#address, token, sending.tail), push, hidden);
    return this.#exchange.run(this.#exchange.hosts.send, call, signal, (verdict) => {
      if (verdict.outcome.kind === 'accepted') {
        sending.isProven = true;
        this.#standing.isProven = true;
        return taken(verdict);
      }
      if (verdict.fault === 'sender') return this.#standing.judge(verdict.outcome);
      return verdict.fault === 'token'
        ? this.#judgeToken(push, sending, verdict.outcome, signal)
        : verdict.outcome;
    });
  }

  #callWith(body: string, push: OutgoingPush, hidden: readonly string[]): Call {
    // FCM has no field by which the emulator could know a push again.
    const headers = this.#isEmulated ? { 'x-pushmill-pushes': emulated(push.id) } : undefined;
    return { path: this.#path, body, headers, hidden };
  }

  /**
   * FCM calls a token none, and has one code for that and for a bad message. A token is believed dead only when the
   * same message is known to be good: it was taken for another, or is now, on trial.
   */
  async #judgeToken(
    push: OutgoingPush,
    sending: Sending,
    outcome: Outcome,
    signal: AbortSignal,
  ): Promise<Outcome> {
    if (outcome.kind !== 'rejected') return outcome;
    if (!sending.isProven) {
      sending.trial ??= this.#try(sending, push, signal);
      const isGood = await sending.trial;
      // No answer is none for later pushes either.
      if (isGood === undefined) sending.trial = undefined;
      if (isGood !== true) return outcome;
      sending.isProven = true;
    }
    return { kind: 'token-dead', code: outcome.code, detail: outcome.detail };
  }

  /** @returns whether the message is good; undefined without an answer */
  async #try(sending: Sending, push: OutgoingPush, signal: AbortSignal): Promise<boolean | undefined> {
    const body = closeTrial('topic', trialTopic, sending.tail);
    const call = this.#callWith(body, push, sending.hidden);
    const { outcome } = await this.#exchange.ask(this.#exchange.hosts.send, call, signal);
    if (outcome.kind === 'accepted') return true;
    return outcome.kind === 'rejected' ? false : undefined;
  }

  #sendingOf(message: OutgoingMessage): Sending {
    const known = this.#sendings.get(message);
    const now = this.#deps.now();
    if (known !== undefined && now <= known.freshUntil) return known;
    const prepared = prepareMessage(message, now);
    if (known !== undefined) return Object.assign(known, prepared);
    const activity = overridesOf(message).apns?.live_activity_token;
    const hidden = activity === undefined ? [] : [activity];
    const sending: Sending = { ...prepared, isProven: false, trial: undefined, hidden };
    this.#sendings.set(message, sending);
    return sending;
  }
}

function taken({ fields }: Verdict): Outcome {
  const vendorMessageId = fields === undefined ? undefined : takenId(fields);
  return vendorMessageId === undefined ? { kind: 'accepted' } : { kind: 'accepted', vendorMessageId };
}

/** `<messageId>.<n>`, as the emulators of all vendors take it. */
function emulated(pushId: string): string {
  const dot = pushId.lastIndexOf('.');
  return `${pushId.slice(0, dot)};${pushId.slice(dot + 1)}`;
}
