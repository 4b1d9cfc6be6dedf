import { type Chance, seededChance } from './chance.ts';

/** Something that is done to the installation at a moment of the run. */
export type Disturbance =
  | { kind: 'kill'; target: string }
  | { kind: 'freeze'; target: string; forMs: number }
  | { kind: 'kill-redis' }
  | { kind: 'flush-redis' }
  | { kind: 'restart-postgres' }
  | { kind: 'stall'; target: string; forMs: number }
  | { kind: 'cut'; target: string }
  | { kind: 'set-clock'; target: string }
  | { kind: 'refuse-credential'; target: string; forMs: number }
  | { kind: 'storm'; target: string; forMs: number };

export type Planned = Disturbance & { atMs: number };

export interface FaultTargets {
  workers: readonly string[];
  apis: readonly string[];
  /** Whose clock can be set. */
  wrongClocks: readonly string[];
  vendors: readonly string[];
  /** Vendors with a line before them. */
  linedVendors: readonly string[];
}

/** Longer than a batch's lease, so that others take over what a frozen worker has in hand. */
const FREEZE_MS = 20_000;
/** Between extra disturbances, on the mean. */
const EXTRA_EVERY_MS = 12_000;

/**
 * What happens when: every kind at least once, at times and to targets drawn from the seed, and in a long run more of
 * them. What takes long to be over comes early, so that a short run is short; the frozen worker is not killed.
 */
export function planFaults(seed: number, durationMs: number, targets: FaultTargets): Planned[] {
  const chance = seededChance(seed);
  const { workers, apis, wrongClocks, vendors, linedVendors } = targets;
  const frozen = chance.pick(workers);
  const others = workers.filter((name) => name !== frozen);
  const stallMs = () => chance.between(2_000, 6_000);
  const kinds: ((chance: Chance) => Disturbance)[] = [
    () => ({ kind: 'kill', target: chance.pick(others) }),
    () => ({ kind: 'kill', target: chance.pick(apis) }),
    () => ({ kind: 'kill-redis' }),
    () => ({ kind: 'flush-redis' }),
    () => ({ kind: 'restart-postgres' }),
    () => ({ kind: 'stall', target: 'redis', forMs: stallMs() }),
    () => ({ kind: 'stall', target: 'postgres', forMs: stallMs() }),
    () => ({ kind: 'stall', target: chance.pick(linedVendors), forMs: stallMs() }),
    () => ({ kind: 'cut', target: chance.pick(['redis', 'postgres', ...linedVendors]) }),
    ...wrongClocks.map((target) => () => ({ kind: 'set-clock' as const, target })),
    () => ({ kind: 'refuse-credential', target: chance.pick(vendors), forMs: chance.between(3_000, 6_000) }),
    () => ({ kind: 'storm', target: chance.pick(vendors), forMs: chance.between(2_000, 5_000) }),
  ];
  const within = (from: number, to: number) => chance.between(durationMs * from, durationMs * to);
  const planned: Planned[] = [
    { kind: 'freeze', target: frozen, forMs: FREEZE_MS, atMs: within(0.1, 0.25) },
    // Vendors send what was not taken again, at last after half a minute.
    { kind: 'kill', target: 'receipts', atMs: within(0.1, 0.25) },
    // Early enough for the vendors to be called while it lasts.
    ...kinds.map((make) => ({ ...make(chance), atMs: within(0.1, 0.75) })),
  ];
  const extra = Math.floor(durationMs / EXTRA_EVERY_MS) - kinds.length;
  for (let count = 0; count < extra; count++) {
    planned.push({ ...chance.pick(kinds)(chance), atMs: within(0.05, 0.95) });
  }
  return planned.sort((a, b) => a.atMs - b.atMs);
}

/** Where the wrong clocks go, step by step: ahead and behind, by half a minute to three minutes. */
export function clockOffsets(seed: number): number[] {
  const chance = seededChance(seed + 1);
  return Array.from({ length: 64 }, () => chance.pick([-1, 1]) * chance.between(30_000, 180_000));
}

export function disturbanceText(planned: Disturbance): string {
  const seconds = 'forMs' in planned ? ` for ${(planned.forMs / 1000).toFixed(1)} s` : '';
  switch (planned.kind) {
    case 'kill':
      return `kill -9 ${planned.target}`;
    case 'freeze':
      return `SIGSTOP ${planned.target}${seconds}`;
    case 'kill-redis':
      return 'kill -9 Redis';
    case 'flush-redis':
      return 'FLUSHALL';
    case 'restart-postgres':
      return 'restart Postgres';
    case 'stall':
      return `stall the line to ${planned.target}${seconds}`;
    case 'cut':
      return `cut the line to ${planned.target}`;
    case 'set-clock':
      return `set the clock of ${planned.target}`;
    case 'refuse-credential':
      return `${planned.target} refuses the credential${seconds}`;
    case 'storm':
      return `${planned.target} throttles and fails${seconds}`;
    default:
      return planned satisfies never;
  }
}
