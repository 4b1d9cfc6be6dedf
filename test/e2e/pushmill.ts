import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const launcher = fileURLToPath(new URL('../../apps/cli/bin/pushmill.mjs', import.meta.url));

/** Marks everything that these tests start, so that what they leave can be found. */
const mark = `PUSHMILL_TEST_PARENT=${process.pid}`;

export interface RunningPushmill {
  pid: number;
  /** Standard output so far. */
  output(): string;
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  kill(signal: NodeJS.Signals): void;
}

/** The command as a user runs it, in a process of its own. */
export function runPushmill(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningPushmill {
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...withoutOurs(process.env), ...env, PUSHMILL_TEST_PARENT: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return {
    pid: child.pid ?? 0,
    output: () => stdout,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))),
    kill: (signal) => void child.kill(signal),
  };
}

/** Command lines of processes that came from these tests and still live; those that are just ending get a moment. */
export async function leftProcesses(): Promise<string[]> {
  let left: string[] = [];
  await until(
    'no process is left',
    async () => {
      left = await marked();
      return left.length === 0;
    },
    10_000,
  ).catch(() => undefined);
  return left;
}

async function marked(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    // Processes of others cannot be read, and any may be gone by now.
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(mark)) continue;
    found.push((await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '));
  }
  return found;
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => name !== 'REDIS_URL' && name !== 'DATABASE_URL' && !name.startsWith('PUSHMILL_'),
  );
  return Object.fromEntries(kept);
}
