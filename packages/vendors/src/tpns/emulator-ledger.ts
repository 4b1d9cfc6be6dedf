import { createHash } from 'node:crypto';
import type { EmulatedCall } from './emulator-fields.ts';

/** What the emulator took, and how often it was told to send the same to everybody. */
export class TakenLedger {
  /** Push ids, or names of our own for callers who told none. */
  readonly #taken = new Set<string>();
  readonly #lastToMany = new Map<string, number>();
  readonly #contents = new Map<string, number>();
  #duplicates = 0;
  #calls = 0;

  get accepted(): number {
    return this.#taken.size;
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  has(pushId: string): boolean {
    return this.#taken.has(pushId);
  }

  /**
   * Writes a call's targets down.
   * @param told  `x-pushmill-pushes`, by which pushmill tells an emulator what TPNS has no field for:
   *              `<messageId>;<n>,<n>,...` in the order of the targets
   */
  take(call: EmulatedCall, told: string | undefined, left: ReadonlySet<string>): void {
    this.#calls += 1;
    const [messageId = '', list = ''] = told?.split(';', 2) ?? [];
    const numbers = list.split(',');
    const isTold = told !== undefined && numbers.length === call.targets.length;
    if (call.targets.length === 0) this.#add(`call-${this.#calls}`);
    call.targets.forEach((target, index) => {
      if (left.has(target)) return;
      this.#add(isTold ? `${messageId}.${numbers[index]}` : `call-${this.#calls}.${index}`);
    });
  }

  /**
   * The limits of calls to all, to tags and to uploaded packages, per app.
   * @see  intl 1024/35286: one call a second, and the same content to all not twice within the hour
   */
  checkToMany(
    accessId: string,
    audience: string,
    body: Buffer,
    nowMs: number,
  ): 1008028 | 10010018 | undefined {
    if (nowMs - (this.#lastToMany.get(accessId) ?? Number.NEGATIVE_INFINITY) < 1_000) return 1008028;
    this.#lastToMany.set(accessId, nowMs);
    if (audience.startsWith('package')) return undefined;
    const content = `${accessId} ${createHash('sha256').update(body).digest('base64')}`;
    if (nowMs - (this.#contents.get(content) ?? Number.NEGATIVE_INFINITY) < 3_600_000) return 10010018;
    this.#contents.set(content, nowMs);
    return undefined;
  }

  #add(name: string): void {
    if (this.#taken.has(name)) this.#duplicates += 1;
    this.#taken.add(name);
  }
}
