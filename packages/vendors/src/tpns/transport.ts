import { type Pool, PoolError } from '@pushmill/http2';
import { openPool } from '../connection.ts';
import { unanswered } from '../pool-failure.ts';
import type { OpenChannel, SenderDeps } from '../vendor.ts';
import { VendorClock } from '../vendor-clock.ts';
import { Warnings } from '../warnings.ts';
import { none, readAnswer, type Verdict } from './answer.ts';
import type { TpnsCredential } from './credential.ts';
import { originOf, type TpnsSettings } from './settings.ts';
import { basicHeaders, signedHeaders } from './sign.ts';

export type Channel = OpenChannel<TpnsSettings, TpnsCredential>;

/** One request to one of the endpoints. */
export interface Call {
  path: string;
  /** Made anew for each stamp, because what is left of a message's life is part of it. */
  body(): string | Uint8Array;
  /** Default JSON. */
  contentType?: string;
  headers?: Readonly<Record<string, string>>;
  /** Texts that must not come back in a detail; the secret is one in any case. */
  hidden: readonly string[];
}

/** Stamps, signs and posts: what all endpoints of an access point have in common. */
export class Transport {
  readonly warnings: Warnings;
  readonly #channel: Channel;
  readonly #deps: SenderDeps;
  readonly #clock: VendorClock;
  readonly #pool: Pool;

  constructor(channel: Channel, deps: SenderDeps) {
    this.warnings = new Warnings(channel.id, deps.warn);
    this.#channel = channel;
    this.#deps = deps;
    this.#clock = new VendorClock(deps.now);
    this.#pool = openPool(originOf(channel.settings), channel.settings);
  }

  /** One call, stamped a second time when the first was refused for its signature. */
  async ask(call: Call, signal: AbortSignal): Promise<Verdict> {
    const verdict = await this.#stamped(call, signal);
    if (verdict.warning !== undefined) {
      const code = 'code' in verdict.outcome ? verdict.outcome.code : '';
      this.warnings.once(code, verdict.warning, { code });
    }
    return verdict;
  }

  close(deadlineMs: number): Promise<void> {
    return this.#pool.close(deadlineMs);
  }

  async #stamped(call: Call, signal: AbortSignal): Promise<Verdict> {
    // A password has no time in it, so asking twice would tell nothing.
    if (this.#channel.settings.authentication === 'basic') return this.#post(call, this.#deps.now(), signal);
    const { answer, first, offByMs } = await this.#clock.stamp((now) => this.#post(call, now, signal));
    if (offByMs !== undefined) this.warnings.clock('tpns', offByMs);
    const { outcome } = answer;
    if (answer.restamp === undefined || outcome.kind !== 'misconfigured') return answer;
    const how =
      first?.restamp?.serverTime === undefined
        ? 'a second, fresh stamp was refused too'
        : 'a second call, stamped by the vendor’s clock, was refused too: the secret or Access ID is wrong';
    return { ...answer, outcome: { ...outcome, detail: `${outcome.detail}; ${how}` } };
  }

  /** @param now  by the clock that the vendor will ask */
  async #post(call: Call, now: number, signal: AbortSignal): Promise<Verdict> {
    const { settings, credential } = this.#channel;
    const body = call.body();
    const proof =
      settings.authentication === 'basic'
        ? basicHeaders(credential.secretKey, settings.accessId)
        : signedHeaders(credential.secretKey, settings.accessId, now, body);
    const headers = { 'content-type': call.contentType ?? 'application/json', ...proof, ...call.headers };
    try {
      const response = await this.#pool.request({ method: 'POST', path: call.path, headers, body, signal });
      const hidden = [...call.hidden, credential.secretKey];
      return readAnswer(response, hidden, settings.missingTargetIsDead);
    } catch (error) {
      if (!(error instanceof PoolError)) throw error;
      return { outcome: unanswered(error), perTarget: false, invalid: none, warning: undefined, fields: {} };
    }
  }
}
