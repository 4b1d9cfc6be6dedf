import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProgramOptions {
  /** A script and its arguments, run by this same Node. */
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** `quiet` only collects the output. */
  show: 'live' | 'quiet';
  /** Aborted: the program and all that it started is ended. */
  signal: AbortSignal;
  limitMs: number;
}

export interface ProgramResult {
  /** Null when it was ended by a signal. */
  code: number | null;
  ended: 'itself' | 'interrupted' | 'overdue';
  output: string;
}

const GRACE_MS = 5_000;

/** Runs a program in a process group of its own, so that everything it started can be ended with it. */
export async function runProgram(options: ProgramOptions): Promise<ProgramResult> {
  const child = spawn(process.execPath, [...options.args], {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from.setEncoding('utf8');
    from.on('data', (text: string) => {
      output += text;
      if (options.show === 'live') to.write(text);
    });
  }

  let ended: ProgramResult['ended'] = 'itself';
  const end = (why: ProgramResult['ended']) => {
    ended = why;
    void endGroup(child.pid);
  };
  const onAbort = () => end('interrupted');
  options.signal.addEventListener('abort', onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  const overdue = setTimeout(() => end('overdue'), options.limitMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, ended, output };
  } finally {
    clearTimeout(overdue);
    options.signal.removeEventListener('abort', onAbort);
  }
}

async function endGroup(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(-pid, signal);
    } catch {
      return; // nobody is left in the group
    }
    if (signal === 'SIGTERM') await delay(GRACE_MS, undefined, { ref: false });
  }
}
