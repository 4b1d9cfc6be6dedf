import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

/** Tells the time whenever it is asked, by every way that a program has. */
const program = `
process.on('message', () => process.send({
  now: Date.now(), date: new Date().getTime(), given: new Date(5).getTime(), day: new Date(2026, 0, 2).getDate(),
  isDate: new Date() instanceof Date, utc: Date.UTC(2026), steady: performance.timeOrigin + performance.now(),
}));
process.send('up');
`;

interface Told {
  now: number;
  date: number;
  given: number;
  day: number;
  isDate: boolean;
  utc: number;
  steady: number;
}

describe('a wrong clock', () => {
  let folder: string;
  let child: ChildProcess;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wrong-clock-'));
    await writeFile(join(folder, 'program.mjs'), program);
    child = fork(join(folder, 'program.mjs'), {
      execArgv: ['--import', new URL('wrong-clock.ts', import.meta.url).href],
      env: { ...process.env, CHAOS_CLOCK_OFFSETS_MS: '60000,-60000' },
    });
    await once(child, 'message');
  });

  after(async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    await rm(folder, { recursive: true });
  });

  async function told(): Promise<Told> {
    child.send('?');
    return ((await once(child, 'message')) as [Told])[0];
  }

  /** A signal has no answer, so it is asked until it is seen. */
  async function offset(wanted: number): Promise<Told> {
    for (;;) {
      const found = await told();
      if (Math.abs(found.now - found.steady - wanted) < 10_000) return found;
    }
  }

  it('is right at first, and moves with each signal while steady time goes on', async () => {
    const first = await offset(0);
    assert.ok(Math.abs(first.now - Date.now()) < 10_000);
    for (const wanted of [60_000, -60_000]) {
      child.kill('SIGUSR2');
      const { now, date } = await offset(wanted);
      assert.ok(Math.abs(date - now) < 1_000);
    }
  });

  it('leaves everything else of Date as it is', async () => {
    const { given, day, isDate, utc } = await told();
    assert.deepEqual({ given, day, isDate, utc }, { given: 5, day: 2, isDate: true, utc: 1_767_225_600_000 });
  });
});
