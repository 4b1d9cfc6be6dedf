import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('./fixtures/role.mjs', import.meta.url));

/** What `pushmill worker --processes` does, in a process of its own, since the workers share its output. */
const script = (count: number) => `
  import { runWorkerProcesses } from ${JSON.stringify(new URL('./worker-processes.ts', import.meta.url).href)};
  const ending = new AbortController();
  process.once('SIGTERM', () => ending.abort());
  await runWorkerProcesses({
    count: ${count}, env: process.env, args: ['--vendors', 'apns'], metricsPort: 9000, launcher: ${JSON.stringify(launcher)},
    say: (line) => console.log('said:', line), signal: ending.signal, ready: () => console.log('all up'),
  });
  console.log('all closed');
`;

function start(count: number, env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script(count)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => void output.push(text));
  }
  const text = () => output.join('');
  const shows = async (pattern: RegExp) => {
    while (!pattern.test(text())) await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    return text();
  };
  return { child, text, shows, ended: once(child, 'close') };
}

describe('runWorkerProcesses', () => {
  it('starts each worker with a port of its own, restarts one that dies, and closes them all', async () => {
    const { child, shows, ended, text } = start(2);
    const started = await shows(/all up/);
    for (const port of [9000, 9001])
      assert.match(started, new RegExp(`worker runs --vendors apns ${port}\\n`));
    const [victim] = await childrenOf(child.pid as number);
    process.kill(victim as number, 'SIGKILL');
    const restarted = await shows(/worker is back/);
    assert.match(restarted, /was ended by SIGKILL; starting it again in 0\.5 s\.\n/);
    assert.equal((await childrenOf(child.pid as number)).length, 2);
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    assert.match(text(), /all closed/);
  });

  it('leaves none when one cannot start', async () => {
    const { ended, text } = start(2, { ROLE_FAILS: '1' });
    assert.equal((await ended)[0], 1);
    assert.match(text(), /The settings cannot be used/);
    assert.doesNotMatch(text(), /all up/);
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const child = spawn('ps', ['-o', 'pid=', '--ppid', String(pid)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text.split('\n').map(Number).filter(Boolean);
}
