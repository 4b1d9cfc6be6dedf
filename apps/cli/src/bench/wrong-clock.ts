/*
 * Loaded into a role before its own code (`node --import`): a machine whose clock is set while it runs. Each SIGUSR2
 * moves this process's wall clock to the next of the offsets in CHAOS_CLOCK_OFFSETS_MS, which are given in milliseconds
 * and separated by commas. Timers and performance.now() go on as before, as they do on such a machine.
 */
const offsets = (process.env.CHAOS_CLOCK_OFFSETS_MS ?? '').split(',').map(Number);
const RealDate = Date;
let offsetMs = 0;

const now = () => RealDate.now() + offsetMs;

class WrongDate extends RealDate {
  constructor(...parts: [] | [number | string | Date]) {
    if (parts.length === 0) super(now());
    else super(...parts);
  }

  static override now(): number {
    return now();
  }
}

globalThis.Date = WrongDate as unknown as DateConstructor;

process.on('SIGUSR2', () => {
  offsetMs = offsets.shift() ?? offsetMs;
});
