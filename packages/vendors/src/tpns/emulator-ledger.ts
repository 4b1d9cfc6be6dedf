import { createHash } from 'node:crypto';
import type { EmulatorTally } from '../emulator-tally.ts';
import type { EmulatedCall } from './emulator-fields.ts';

/** Counts what the emulator took, and how often it was told to send the same to everybody. */
export class TakenLedger {
  readonly #tally: EmulatorTally;
  readonly #lastToMany = new Map<string, number>();
  readonly #contents = new Map<string, number>();
  #calls = 0;

  /** @param tally  gets push ids, or names of our own for callers who told none */
  constructor(tally: EmulatorTally) {
    this.#tally = tally;
  }

  /**
   * Writes a call's pushes down: a target each, or one where the vendor finds the devices.
   * @param told  `x-pushmill-pushes`, by which pushmill tells an emulator what TPNS has no field for:
   *              `<messageId>;<n>,<n>,...` in the order of the targets
   */
  take(call: EmulatedCall, told: string | undefined, left: ReadonlySet<string>): void {
    this.#calls += 1;
    const [messageId = '', list = ''] = told?.split(';', 2) ?? [];
    const numbers = list.split(',');
    const isOne = call.targets.length === 0 || call.audience === 'account_list';
    const isTold = told !== undefined && numbers.length === (isOne ? 1 : call.targets.length);
    const nameOf = (index: number) =>
      isTold ? `${messageId}.${numbers[index]}` : `call-${this.#calls}.${index}`;
    if (isOne) {
      this.#tally.take(nameOf(0));
      return;
    }
    call.targets.forEach((target, index) => {
      if (!left.has(target)) this.#tally.take(nameOf(index));
    });
  }

  /**
   * The limits of calls to all, to tags and with packages, per app.
   * @see  intl 1024/35286: one call a second, and the same content to all not twice within the hour
   */
  checkToMany(accessId: string, call: EmulatedCall, nowMs: number): 1008028 | 10010018 | undefined {
    if (nowMs - (this.#lastToMany.get(accessId) ?? Number.NEGATIVE_INFINITY) < 1_000) return 1008028;
    this.#lastToMany.set(accessId, nowMs);
    if (nowMs - (this.#contents.get(this.#keyOf(accessId, call)) ?? Number.NEGATIVE_INFINITY) < 3_600_000) {
      return 10010018;
    }
    return undefined;
  }

  /** Remembers the content of a call to all or to tags, once it was taken. */
  remember(accessId: string, call: EmulatedCall, nowMs: number): void {
    if (call.toMany && !call.audience.startsWith('package'))
      this.#contents.set(this.#keyOf(accessId, call), nowMs);
  }

  #keyOf(accessId: string, call: EmulatedCall): string {
    return `${accessId} ${createHash('sha256').update(call.content).digest('base64')}`;
  }
}
