import { seededRandom } from '@pushmill/vendors/emulators';

/** What a run leaves to chance, drawn from its seed: the same seed gives the same draws in the same order. */
export interface Chance {
  /** 0 ≤ x < 1 */
  next(): number;
  /** A whole number, both ends included. */
  between(lowest: number, highest: number): number;
  pick<T>(items: readonly T[]): T;
}

export function seededChance(seed: number): Chance {
  const next = seededRandom(seed);
  const between = (lowest: number, highest: number) => lowest + Math.floor(next() * (highest - lowest + 1));
  return {
    next,
    between,
    pick: (items) => items[between(0, items.length - 1)] as (typeof items)[number],
  };
}
