import { type CallFate, CallPlan } from '../answer-plan.ts';
import { slowMs } from '../emulator-server.ts';
import type { EmulatorTally } from '../emulator-tally.ts';
import {
  type Answer,
  frontEndPage,
  generalMessage,
  invalid,
  invalidToken,
  ok,
  permissionDenied,
  quotaExceeded,
  senderMismatch,
  thirdPartyAuth,
  unavailable,
  unreadable,
  unregistered,
} from './emulator-errors.ts';
import type { Fields } from './emulator-json.ts';
import type { Call } from './emulator-listener.ts';
import { MinuteQuota } from './emulator-quota.ts';
import { checkForApns, readMessage, type SoundMessage } from './emulator-rules.ts';
import type { Tokens } from './emulator-tokens.ts';

/** A message as the emulator took it. */
export interface TakenMessage {
  kind: SoundMessage['kind'];
  /** Token, topic, condition or installation id. */
  target: string;
  /** With the proto's names. */
  message: Fields;
  /** As it was answered. */
  name: string;
  /** Milliseconds, by the emulator's clock. */
  at: number;
  headers: Call['headers'];
}

export interface DeskOptions {
  /** Milliseconds. */
  now: () => number;
  /** Draws from the seed. */
  random: () => number;
  tally: EmulatorTally;
  tokens: Tokens;
  quotaPerMinute: number;
  devicePerMinute: number;
  topicPerMinute: number;
  retryAfter: 'seconds' | 'date' | 'none';
  onMessage: ((taken: TakenMessage) => void) | undefined;
}

/** Where messages are handed in, by callers who may: what each gets, and what was taken. */
export class Desk {
  readonly plan: CallPlan;
  readonly quota: MinuteQuota;
  readonly #options: DeskOptions;
  readonly #deviceQuota: MinuteQuota | undefined;
  readonly #topicQuota: MinuteQuota | undefined;
  /** By target. */
  readonly #given = new Map<string, Answer[]>();
  #messages = 0;

  constructor(options: DeskOptions) {
    const { now, random, quotaPerMinute, devicePerMinute, topicPerMinute } = options;
    this.#options = options;
    this.plan = new CallPlan(random);
    this.quota = new MinuteQuota(quotaPerMinute, now);
    // Nothing need be counted where there is no limit.
    const limit = (perMinute: number) =>
      perMinute === Number.POSITIVE_INFINITY ? undefined : new MinuteQuota(perMinute, now);
    this.#deviceQuota = limit(devicePerMinute);
    this.#topicQuota = limit(topicPerMinute);
  }

  /** What the next sound messages for a target get, as it stands, before anything that is planned. */
  give(target: string, answers: readonly Answer[]): void {
    this.#given.set(target, [...(this.#given.get(target) ?? []), ...answers]);
  }

  /** @param project  of the path: its id or its number */
  receive(call: Call, project: string): void {
    const waitMs = this.quota.take('project');
    if (waitMs !== undefined) {
      this.refuse(call, quotaExceeded('project', project, this.#retryAfter(waitMs)));
      return;
    }
    const message = this.#judge(call.body);
    if ('status' in message) {
      this.refuse(call, message);
      return;
    }
    const given = this.#nextGiven(message.target);
    if (given !== undefined) {
      if (given.code === undefined) call.answer(given);
      else this.refuse(call, given);
      return;
    }
    const { answer, slow } = this.plan.decide([message.target]);
    const give = () => this.#answer(call, message, project, answer);
    if (slow) setTimeout(give, slowMs);
    else give();
  }

  refuse(call: Call, answer: Answer): void {
    this.#options.tally.refuse(answer.code ?? answer.status);
    call.answer(answer);
  }

  #judge(body: Buffer | undefined): SoundMessage | Answer {
    if (body === undefined) return frontEndPage(413);
    try {
      const sound = readMessage(body);
      return 'status' in sound ? sound : (this.#checkTarget(sound) ?? sound);
    } catch (error) {
      // Brackets in brackets, until the stack is full; everything else is a mistake of ours.
      if (!(error instanceof RangeError)) throw error;
      const description = 'Message too deep. Max recursion depth reached';
      return unreadable([{ field: 'message', description }]);
    }
  }

  /** What FCM knows of the target. */
  #checkTarget({ kind, target, message }: SoundMessage): Answer | undefined {
    const { tokens } = this.#options;
    const limit = kind === 'topic' || kind === 'condition' ? this.#topicQuota : this.#deviceQuota;
    const waitMs = limit?.take(target);
    if (waitMs !== undefined) {
      const scope = limit === this.#topicQuota ? 'topic' : 'device';
      // A device is named by no quota's words: the token is not told back.
      return quotaExceeded(scope, scope === 'topic' ? target : '', this.#retryAfter(waitMs));
    }
    switch (tokens.stateOf(target)) {
      case 'unregistered':
        return unregistered;
      case 'mismatched':
        return senderMismatch;
      case 'malformed':
        return invalidToken;
      case 'no-third-party-key':
        return thirdPartyAuth(this.#options.random() < 0.5 ? 'plain' : 'misleading');
      default:
        return tokens.isIos(target) ? checkForApns(message) : undefined;
    }
  }

  #answer(call: Call, message: SoundMessage, project: string, answer: CallFate['answer']): void {
    if (call.isGone()) return;
    switch (answer) {
      case 'accepted':
        call.answer(ok({ name: this.#take(call, message, project) }));
        return;
      case 'timeout':
        return;
      case 'reset':
        this.#take(call, message, project);
        call.kill();
        return;
      case 'goaway':
        if (!call.endBefore()) call.answer(ok({ name: this.#take(call, message, project) }), true);
        return;
      case 'token-dead':
        this.refuse(call, unregistered);
        return;
      case 'rejected':
        this.refuse(call, invalid(generalMessage));
        return;
      case 'misconfigured':
        this.refuse(call, permissionDenied(project));
        return;
      case 'throttled':
        this.refuse(call, quotaExceeded('project', project, this.#retryAfter(1_000)));
        return;
      case 'unavailable':
        this.refuse(call, unavailable(this.#retryAfter(1_000)));
        return;
      default:
        answer satisfies never;
    }
  }

  /**
   * FCM knows no push again. To an emulator, and to nobody else, the push is told in a header:
   * `x-pushmill-pushes: <messageId>;<n>`.
   * @returns  the name of the message
   */
  #take({ headers }: Call, { kind, target, message, validateOnly }: SoundMessage, project: string): string {
    if (validateOnly) return `projects/${project}/messages/fake_message_id`;
    const { now, tally, onMessage } = this.#options;
    this.#messages += 1;
    const at = now();
    const serial = this.#messages.toString(16).padStart(16, '0');
    const name = `projects/${project}/messages/0:${at * 1_000 + (this.#messages % 1_000)}%${serial}f9fd7ecd`;
    const told = headers['x-pushmill-pushes'];
    tally.take(typeof told === 'string' ? told.replace(';', '.') : name);
    onMessage?.({ kind, target, message, name, at, headers });
    return name;
  }

  #nextGiven(target: string): Answer | undefined {
    if (this.#given.size === 0) return undefined;
    const answers = this.#given.get(target);
    const answer = answers?.shift();
    if (answers?.length === 0) this.#given.delete(target);
    return answer;
  }

  #retryAfter(waitMs: number): Record<string, string> {
    const { now, retryAfter } = this.#options;
    if (retryAfter === 'none') return {};
    const seconds = Math.ceil(waitMs / 1_000);
    const value =
      retryAfter === 'seconds' ? String(seconds) : new Date(now() + seconds * 1_000).toUTCString();
    return { 'retry-after': value };
  }
}
