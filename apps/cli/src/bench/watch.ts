import { parsePushId, pushIdentity } from '@pushmill/core';
import type { Emulator } from '@pushmill/vendors';

/** Who can say whether it has a push: an emulator, or what stands for one. */
export interface Taker extends Pick<Emulator, 'hasTaken'> {
  /** When it took a push that it has, by the watch's clock. One that does not tell is as exact as the looks are. */
  takenAt?(push: { id: string; identity: string }): number | undefined;
}

export interface WatchedPush {
  readonly id: string;
  readonly emulator: Taker;
  /** When its emulator said it took it, or was first seen to have it, by the watch's clock; undefined when never. */
  takenAt: number | undefined;
}

/** Looks, many times a second, which of some pushes their emulators have taken. */
export interface Watch {
  add(id: string, emulator: Taker): WatchedPush;
  stop(): void;
}

/** Short enough for latencies; each look costs as much as there are pushes that are still out. */
const LOOK_EVERY_MS = 2;
/** What was not taken within this time is looked at seldom. */
const HOT_MS = 2_000;
const COLD_EVERY_MS = 50;

/** @param clock  milliseconds */
export function startWatch(clock: () => number = Date.now): Watch {
  const hot = new Set<Entry>();
  const cold = new Set<Entry>();
  let coldAt = Number.NEGATIVE_INFINITY;

  function look(): void {
    const now = clock();
    for (const entry of hot) {
      if (entry.isTaken()) hot.delete(entry);
      else if (now - entry.since > HOT_MS) {
        hot.delete(entry);
        cold.add(entry);
      }
    }
    if (now - coldAt < COLD_EVERY_MS) return;
    coldAt = now;
    for (const entry of cold) if (entry.isTaken()) cold.delete(entry);
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    add(id, emulator) {
      const entry = new Entry(id, emulator, clock);
      hot.add(entry);
      return entry;
    },
    stop() {
      clearInterval(timer);
      look();
    },
  };
}

class Entry implements WatchedPush {
  readonly id: string;
  readonly emulator: Taker;
  readonly since: number;
  readonly #clock: () => number;
  readonly #names: { id: string; identity: string };
  takenAt: number | undefined;

  constructor(id: string, emulator: Taker, clock: () => number) {
    this.id = id;
    this.emulator = emulator;
    this.since = clock();
    this.#clock = clock;
    this.#names = namesOf(id);
  }

  isTaken(): boolean {
    if (!this.emulator.hasTaken(this.#names)) return false;
    this.takenAt = this.emulator.takenAt?.(this.#names) ?? this.#clock();
    return true;
  }
}

/** Milliseconds of the machine's clock that is never set: the same in all its processes. */
export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What a push is called at its vendor. */
export function namesOf(id: string): { id: string; identity: string } {
  const ref = parsePushId(id);
  if (!ref) throw new Error(`${id} is not the id of a push.`);
  return { id, identity: pushIdentity(ref) };
}

/** The value below which this share of the sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
