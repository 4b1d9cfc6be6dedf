import { type Pool, PoolError, type PoolRequest, type PoolResponse } from '@pushmill/http2';
import { openPool } from '../connection.ts';
import { unanswered } from '../pool-failure.ts';
import type { OpenChannel, SenderDeps } from '../vendor.ts';
import { VendorClock } from '../vendor-clock.ts';
import { Warnings } from '../warnings.ts';
import type { Verdict } from './answer.ts';
import type { BaiduCredential } from './credential.ts';
import { type BaiduSettings, originOf } from './settings.ts';

export type BaiduChannel = OpenChannel<BaiduSettings, BaiduCredential>;

/** What the sender concludes from one call; the warning has been given. */
export type Answer = Pick<Verdict, 'outcome' | 'perTarget' | 'result'>;

/** One call, as it looks when it is made at `seconds` (unix time, by the vendor's clock). */
export type Stamp = (seconds: string) => PoolRequest;

/** The connections of a channel, and what it knows of the vendor's clock. All generations send through it. */
export class Transport {
  readonly #warnings: Warnings;
  readonly #clock: VendorClock;
  readonly #pool: Pool;

  constructor({ id, settings }: BaiduChannel, deps: SenderDeps) {
    this.#warnings = new Warnings(id, deps.warn);
    this.#clock = new VendorClock(deps.now);
    this.#pool = openPool(originOf(settings), settings);
  }

  /** Makes a call, and once more with a new time when it was refused for its time. */
  async ask(stamp: Stamp, read: (response: PoolResponse) => Verdict, signal: AbortSignal): Promise<Answer> {
    const { answer, offByMs } = await this.#clock.stamp(async (now) => {
      const request = stamp(String(Math.floor(now / 1000)));
      try {
        return read(await this.#pool.request({ ...request, signal }));
      } catch (error) {
        if (!(error instanceof PoolError)) throw error;
        return { outcome: unanswered(error), perTarget: false, warning: undefined };
      }
    });
    const { outcome, warning, restamp } = answer;
    const code = 'code' in outcome ? outcome.code : '';
    if (warning !== undefined) this.#warnings.once(code, warning, { code });
    if (restamp !== undefined && outcome.kind === 'unavailable') {
      this.#warnings.once(code, 'baidu refuses our time twice: check the clock', { code });
    }
    if (offByMs !== undefined) this.#warnings.clock('baidu', offByMs);
    return answer;
  }

  close(deadlineMs: number): Promise<void> {
    return this.#pool.close(deadlineMs);
  }
}

/**
 * Runs calls, a bounded number at a time: where devices are asked one by one, a batch must not fill the waiting
 * line that other batches share.
 */
export async function runInTurn<Call>(
  calls: readonly Call[],
  atOnce: number,
  run: (call: Call) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let call = calls[next++]; call !== undefined; call = calls[next++]) await run(call);
  };
  await Promise.all(Array.from({ length: Math.min(calls.length, atOnce) }, worker));
}
