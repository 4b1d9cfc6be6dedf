import type { Faults } from '@pushmill/vendors';
import { CommandError } from './failure.ts';

const names: readonly (keyof Faults)[] = [
  'token-dead',
  'rejected',
  'misconfigured',
  'throttled',
  'unavailable',
  'timeout',
  'reset',
  'goaway',
  'dropped',
  'slow',
  'duplicate-receipt',
];

/** What `pushmill demo` injects: every kind of trouble but those that only a human ends. */
export const demoFaults: Faults = {
  throttled: 0.01,
  unavailable: 0.01,
  reset: 0.0003,
  'token-dead': 0.01,
  rejected: 0.005,
  goaway: 0.0005,
  slow: 0.01,
  'duplicate-receipt': 0.01,
  dropped: 0.01,
};

/**
 * Reads `throttled=0.01,reset=0.005`: probabilities per push.
 * @throws CommandError  naming the part that is wrong
 */
export function parseFaults(text: string): Faults {
  const faults: Faults = {};
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.split('=').map((piece) => piece.trim());
    if (!names.includes(name as keyof Faults)) {
      throw new CommandError(
        `"${name}" is not a fault: use ${names.join(', ')}, e.g. --fault throttled=0.01,reset=0.005.`,
      );
    }
    const probability = Number(value);
    if (value === '' || !(probability >= 0 && probability <= 1)) {
      throw new CommandError(`The fault ${name} needs a probability from 0 to 1, e.g. ${name}=0.01.`);
    }
    faults[name as keyof Faults] = probability;
  }
  return faults;
}
