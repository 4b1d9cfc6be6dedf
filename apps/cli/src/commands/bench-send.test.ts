import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Command } from 'commander';
import type { SendReport } from '../bench/send/report.ts';
import { silentTerminal } from '../silent-terminal.ts';
import { addSendBench } from './bench-send.ts';

it('bench send measures every contender in a process of its own and judges by what it measured', async () => {
  const terminal = silentTerminal();
  const bench = new Command('bench');
  addSendBench(bench, { env: {}, terminal });
  const sizes = '--pushes 100 --warmup 1 --rounds 1 --in-flight 50'.split(' ');
  await bench.parseAsync(['send', ...sizes, '--sink', 'node', '--json'], { from: 'user' });
  const [report] = terminal.documents as SendReport[];
  assert.ok(report);
  assert.deepEqual(
    report.vendors.map(({ vendor }) => vendor),
    ['apns', 'fcm'],
  );
  for (const { contenders, absent } of report.vendors) {
    assert.equal(contenders.length + absent.length, 4);
    for (const { name, figures } of contenders) {
      for (const figure of ['cpuUs', 'perSecond', 'cores', 'sinkCpuUs', 'sinkCores'] as const) {
        assert.ok(figures[figure].median > 0, `${name}: ${figure}`);
      }
    }
  }
  // So few pushes prove nothing of the bars; only that the exit code follows them.
  assert.equal(process.exitCode === 1, !report.holds);
  process.exitCode = 0;
});
