import { type Pool, PoolError, type PoolResponse } from '@pushmill/http2';
import { openPool } from '../connection.ts';
import { unanswered } from '../pool-failure.ts';
import type { OpenChannel, SenderDeps } from '../vendor.ts';
import { VendorClock } from '../vendor-clock.ts';
import { Warnings } from '../warnings.ts';
import { type Asked, readAnswer, type Verdict } from './answer.ts';
import type { MpaasCredential } from './credential.ts';
import type { Call } from './payload.ts';
import { type MpaasSettings, originOf } from './settings.ts';
import { createStamp } from './stamp.ts';

export type Channel = OpenChannel<MpaasSettings, MpaasCredential>;

/** What the sender concludes from one call; the warning has been given. */
export interface Answer extends Pick<Verdict, 'outcome' | 'perTarget'> {
  /** Undefined when there was none. */
  response?: PoolResponse;
}

/**
 * Calls of one channel over one pool of connections. The gateway tells a wrong time (`InvalidTimeStamp.*`) from a
 * wrong secret (`SignatureDoesNotMatch`, which is final), and a nonce that was used; both are signed anew once.
 */
export class Transport {
  readonly #channel: Channel;
  readonly #warnings: Warnings;
  readonly #clock: VendorClock;
  readonly #pool: Pool;
  readonly #stamp;

  /** @throws CredentialError  when the channel was switched to the other interface without its credential */
  constructor(channel: Channel, deps: SenderDeps) {
    const { settings, credential } = channel;
    this.#channel = channel;
    this.#warnings = new Warnings(channel.id, deps.warn);
    this.#clock = new VendorClock(deps.now);
    this.#stamp = createStamp(settings, credential);
    this.#pool = openPool(originOf(settings), settings);
  }

  /**
   * One call, signed anew at most once.
   * @param targets    tokens, which the vendor may quote and no detail may hold
   * @param ownValues  each of them has template values of its own
   */
  async ask(
    call: Call,
    { targets, ownValues }: { targets: readonly string[]; ownValues?: boolean },
    signal: AbortSignal,
  ): Promise<Answer> {
    const { settings, credential } = this.#channel;
    const hidden = [...targets, ...Object.values(credential)];
    const asked: Asked = { isRest: settings.interface === 'rest', hidden, ownValues: ownValues === true };
    const { answer, offByMs } = await this.#clock.stamp((now) => this.#post(call, now, asked, signal));
    const { outcome, warning, restamp } = answer;
    const code = 'code' in outcome ? outcome.code : '';
    if (warning !== undefined) this.#warnings.once(code, warning, { code });
    if (restamp !== undefined) {
      this.#warnings.once(code, 'mpaas refuses our time or nonce twice: check the clock', { code });
    }
    if (offByMs !== undefined) this.#warnings.clock('mpaas', offByMs);
    return answer;
  }

  close(deadlineMs: number): Promise<void> {
    return this.#pool.close(deadlineMs);
  }

  async #post(call: Call, now: number, asked: Asked, signal: AbortSignal): Promise<Verdict & Answer> {
    const request = await this.#stamp(call, now);
    try {
      const response = await this.#pool.request({ ...request, signal });
      return { ...readAnswer(response, asked), response };
    } catch (error) {
      if (!(error instanceof PoolError)) throw error;
      return { outcome: unanswered(error), perTarget: false, warning: undefined };
    }
  }
}
