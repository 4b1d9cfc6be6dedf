import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CommandError } from './failure.ts';

/*
 * A role is up, or down and being started again, or stopped on request:
 *
 *   starting --ready--> up --death--> waiting --backoff--> starting
 *        \                \--stop()--\  \--stop()
 *         \--death (first start)      +----------> stopped
 *          \--> startRole rejects
 *
 * The wait doubles from 0.5 s to 10 s and is forgotten once the role has stayed up for 30 s.
 *
 * The child is in a session of its own, so that Ctrl-C reaches us alone and we close in order; and it ends by
 * itself when the IPC channel closes, so that it does not outlive us however we die.
 */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const STABLE_AFTER_MS = 30_000;
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 40_000;

/**
 * Each time V8 clears young garbage away it copies what is still in use, in a worker all that is in flight: with room for
 * twice the garbage, half as often. The operator's own options come behind, and so count.
 */
const nodeOptions: Partial<Record<RoleName, string>> = { worker: '--max-semi-space-size=64' };

const launcher = fileURLToPath(new URL('../bin/pushmill.mjs', import.meta.url));

export type RoleName = 'receipts' | 'api' | 'worker';

export interface RoleOptions {
  name: RoleName;
  env: NodeJS.ProcessEnv;
  args?: readonly string[];
  /** Standard output and error are appended here; without it they are this process's. */
  logFile?: string;
  /** What the role is an argument of; tests bring their own. */
  launcher?: string;
  say: (line: string) => void;
}

export interface RoleProcess {
  readonly name: RoleName;
  /** Undefined while it is down. */
  pid(): number | undefined;
  /** How often it died without being asked. */
  deaths(): number;
  /** Resolves when it is up: at once, or after the restart under way. */
  ready(): Promise<void>;
  /** For tests of crashes. It is started again like after any death. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL for one that does not listen. */
  stop(): Promise<void>;
}

interface Run {
  child: ChildProcess;
  exited: Promise<string>;
}

/**
 * Starts a role as a supervised child of this process.
 * @throws CommandError  when it does not come up the first time, with its own sentence
 */
export async function startRole(options: RoleOptions): Promise<RoleProcess> {
  const { name, say } = options;
  const cut = new AbortController();
  let run: Run | undefined = await launch(options);
  let up: Promise<void> = Promise.resolve();
  let deaths = 0;
  let waitMs = FIRST_WAIT_MS;
  watch(run);

  function watch(current: Run): void {
    const upAt = Date.now();
    void current.exited.then((how) => {
      run = undefined;
      if (cut.signal.aborted) return;
      deaths++;
      if (Date.now() - upAt > STABLE_AFTER_MS) waitMs = FIRST_WAIT_MS;
      say(
        `${name} (process ${current.child.pid}) ${how}; starting it again in ${waitMs / 1000} s.${
          options.logFile === undefined ? '' : ` Its log: ${options.logFile}`
        }`,
      );
      up = bringBack();
      up.catch(() => undefined);
    });
  }

  async function bringBack(): Promise<void> {
    while (!cut.signal.aborted) {
      await delay(waitMs, undefined, { signal: cut.signal }).catch(() => undefined);
      if (cut.signal.aborted) break;
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
      try {
        const next = await launch(options, cut.signal);
        run = next;
        say(`${name} is back (process ${next.child.pid}).`);
        watch(next);
        return;
      } catch (error) {
        if (!cut.signal.aborted) say(`${(error as Error).message} Next attempt in ${waitMs / 1000} s.`);
      }
    }
    throw new CommandError(`The ${name} role is stopped.`);
  }

  return {
    name,
    pid: () => run?.child.pid,
    deaths: () => deaths,
    ready: () => up,
    kill: (signal) => void run?.child.kill(signal),
    async stop() {
      cut.abort();
      await up.catch(() => undefined);
      if (run) await end(run, name, say);
    },
  };
}

/** Resolves when the child says that it is ready. A child that is not ready in time is killed. */
async function launch(options: RoleOptions, signal?: AbortSignal): Promise<Run> {
  const { name } = options;
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a');
  const child = fork(options.launcher ?? launcher, [name, ...(options.args ?? [])], {
    env: { ...options.env, NODE_OPTIONS: [nodeOptions[name], options.env.NODE_OPTIONS].join(' ').trim() },
    stdio: ['ignore', log ?? 'inherit', log ?? 'inherit', 'ipc'],
    execArgv: [],
    detached: true,
  });
  if (log !== undefined) closeSync(log);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, by) => resolve(by ? `was ended by ${by}` : `ended with code ${code}`));
    child.once('error', (error) => resolve(`could not be started (${error.message})`));
  });
  const run = { child, exited };

  let sentence = '';
  const ready = new Promise<'ready'>((resolve) => {
    child.on('message', (message: { kind?: string; message?: string }) => {
      if (message.kind === 'ready') resolve('ready');
      if (message.kind === 'failed') sentence = message.message ?? '';
    });
  });
  const late = new AbortController();
  const first = await Promise.race([
    ready,
    exited,
    delay(READY_WITHIN_MS, `was not ready within ${READY_WITHIN_MS / 1000} s`, { signal: late.signal }).catch(
      () => '',
    ),
    ...(signal ? [aborted(signal)] : []),
  ]);
  late.abort();
  if (first === 'ready') return run;
  child.kill('SIGKILL');
  await exited;
  // Its last words may still lie in the channel when the exit is already known.
  if (child.connected) await once(child, 'disconnect');
  throw new CommandError(
    `The ${name} role ${first}${sentence ? `: ${sentence}` : `; see ${options.logFile ?? 'its last words above'}.`}`,
  );
}

async function end(run: Run, name: string, say: (line: string) => void): Promise<void> {
  run.child.kill('SIGTERM');
  const late = new AbortController();
  const verdict = await Promise.race([
    run.exited,
    delay(STOP_WITHIN_MS, 'late' as const, { signal: late.signal }).catch(() => 'late' as const),
  ]);
  late.abort();
  if (verdict !== 'late') return;
  say(`${name} did not stop within ${STOP_WITHIN_MS / 1000} s and is killed.`);
  run.child.kill('SIGKILL');
  await run.exited;
}

function aborted(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('was stopped while it started');
    else signal.addEventListener('abort', () => resolve('was stopped while it started'), { once: true });
  });
}
