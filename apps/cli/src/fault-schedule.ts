import type { Emulator, Faults } from '@pushmill/vendors';
import type { FaultPhase } from './faults.ts';

/**
 * Injects the faults of all phases, each until its time is over.
 * @param ended  told when a phase is over
 * @returns      what ends the waiting; the emulators keep the faults that they have then
 */
export function scheduleFaults(
  emulators: readonly Pick<Emulator, 'setFaults'>[],
  phases: readonly FaultPhase[],
  ended: (phase: FaultPhase) => void = () => undefined,
): { stop(): void } {
  const active = new Set(phases);
  const inject = () => {
    for (const emulator of emulators) emulator.setFaults(together([...active]));
  };
  const timers = phases.flatMap((phase) =>
    phase.forMs === undefined
      ? []
      : [
          setTimeout(() => {
            active.delete(phase);
            inject();
            ended(phase);
          }, phase.forMs),
        ],
  );
  if (phases.length > 0) inject();
  return { stop: () => timers.forEach(clearTimeout) };
}

/** The same fault given twice adds up, to certainty at most. */
function together(phases: readonly FaultPhase[]): Faults {
  const sum: Faults = {};
  for (const { faults } of phases) {
    for (const [name, probability] of Object.entries(faults) as [keyof Faults, number][]) {
      sum[name] = Math.min(1, (sum[name] ?? 0) + probability);
    }
  }
  return sum;
}
