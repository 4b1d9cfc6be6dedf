import { parsePushId, pushIdentity } from '@pushmill/core';
import type { Emulator } from '@pushmill/vendors';

export interface WatchedPush {
  readonly id: string;
  readonly emulator: Pick<Emulator, 'hasTaken'>;
  /** When its emulator was first seen to have it, by this process's clock; undefined when never. */
  takenAt: number | undefined;
}

/** Looks, many times a second, which of some pushes their emulators have taken. */
export interface Watch {
  add(id: string, emulator: Pick<Emulator, 'hasTaken'>): WatchedPush;
  stop(): void;
}

/** Short enough for latencies; each look costs as much as there are pushes that are still out. */
const LOOK_EVERY_MS = 2;
/** What was not taken within this time is looked at seldom. */
const HOT_MS = 2_000;
const COLD_EVERY_MS = 50;

export function startWatch(): Watch {
  const hot = new Set<Entry>();
  const cold = new Set<Entry>();
  let coldAt = 0;

  function look(): void {
    const now = Date.now();
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
      const entry = new Entry(id, emulator);
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
  readonly emulator: Pick<Emulator, 'hasTaken'>;
  readonly since = Date.now();
  readonly #names: { id: string; identity: string };
  takenAt: number | undefined;

  constructor(id: string, emulator: Pick<Emulator, 'hasTaken'>) {
    this.id = id;
    this.emulator = emulator;
    this.#names = namesOf(id);
  }

  isTaken(): boolean {
    if (!this.emulator.hasTaken(this.#names)) return false;
    this.takenAt = Date.now();
    return true;
  }
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
