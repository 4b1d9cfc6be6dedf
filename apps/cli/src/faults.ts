import type { Faults } from '@pushmill/vendors';
import { CommandError } from './failure.ts';

type FaultName = keyof Faults;

const names: readonly FaultName[] = [
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
  'late-receipt',
  'forged-receipt',
];

/** What a vendor means by a status, in the emulators' words; 200 is no fault. */
const byStatus: Readonly<Record<string, FaultName | undefined>> = {
  200: undefined,
  400: 'rejected',
  401: 'misconfigured',
  403: 'misconfigured',
  410: 'token-dead',
  429: 'throttled',
  500: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
};

/** What `pushmill demo` injects: every kind of trouble but those that only a human ends. */
export const demoFaults: Faults = {
  throttled: 0.01,
  unavailable: 0.01,
  reset: 0.0003,
  'token-dead': 0.01,
  rejected: 0.005,
  goaway: 0.0005,
  slow: 0.01,
  dropped: 0.01,
  'duplicate-receipt': 0.01,
  'late-receipt': 0.02,
  'forged-receipt': 0.02,
};

/** Faults that hold for a while, or for good. */
export interface FaultPhase {
  faults: Faults;
  /** Undefined: until the emulator ends. */
  forMs: number | undefined;
}

/**
 * Reads one `--fault`: probabilities per push, as `throttled=0.01,reset=0.005`, or one fault with its time, as
 * `status=429,rate=0.1,for=30s` and `kind=reset,rate=0.1,for=30s`. Without a rate it is every push.
 * @throws CommandError  naming the part that is wrong
 */
export function parseFaults(text: string): FaultPhase {
  const parts = text.split(',').map((part) => part.split('=').map((piece) => piece.trim()));
  const fields = new Map(parts.map(([name = '', value = '']) => [name, value]));
  if (fields.size < parts.length) throw new CommandError(`--fault ${text} says something twice.`);
  if (fields.has('status') || fields.has('kind')) return timedFault(text, fields);
  const faults: Faults = {};
  for (const [name, value] of fields) {
    if (!isFault(name)) {
      throw new CommandError(
        `"${name}" is not a fault: use ${names.join(', ')}, e.g. --fault throttled=0.01,reset=0.005.`,
      );
    }
    faults[name] = probability(name, value);
  }
  return { faults, forMs: undefined };
}

function timedFault(text: string, fields: ReadonlyMap<string, string>): FaultPhase {
  const extra = [...fields.keys()].find((name) => !['status', 'kind', 'rate', 'for'].includes(name));
  if (extra !== undefined || (fields.has('status') && fields.has('kind'))) {
    throw new CommandError(
      `--fault ${text} must be status=… or kind=…, with rate=… and for=…, e.g. --fault status=429,rate=0.1,for=30s.`,
    );
  }
  const name = faultOf(fields);
  const rate = probability('rate', fields.get('rate') ?? '1');
  const time = fields.get('for');
  return {
    faults: name === undefined ? {} : { [name]: rate },
    forMs: time === undefined ? undefined : durationMs(time),
  };
}

function faultOf(fields: ReadonlyMap<string, string>): FaultName | undefined {
  const kind = fields.get('kind');
  if (kind !== undefined) {
    if (isFault(kind)) return kind;
    throw new CommandError(`"${kind}" is not a kind of fault: use ${names.join(', ')}.`);
  }
  const status = fields.get('status') ?? '';
  if (Object.hasOwn(byStatus, status)) return byStatus[status];
  throw new CommandError(
    `The emulators have no answer with status ${status}: use ${Object.keys(byStatus).join(', ')}.`,
  );
}

function isFault(name: string): name is FaultName {
  return (names as readonly string[]).includes(name);
}

function probability(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= 1) return value;
  throw new CommandError(`${name} needs a probability from 0 to 1, e.g. ${name}=0.01.`);
}

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
/** What timers can count to. */
const LONGEST_MS = 2 ** 31 - 1;

function durationMs(text: string): number {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(number) * unitsMs[unit as keyof typeof unitsMs];
  if (ms > 0 && ms <= LONGEST_MS) return ms;
  throw new CommandError(`for=${text} is not a time: use ms, s, m or h, e.g. for=30s.`);
}
