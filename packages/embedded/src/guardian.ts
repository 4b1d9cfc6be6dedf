import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { isAlive } from './process-state.ts';
import { EmbeddedError } from './server.ts';

/*
 * A server must not outlive us, and nobody runs code in a process that got SIGKILL. So between us and the
 * server stands a guardian, a few lines of shell that hold the other end of a pipe. When we die, however we
 * die, the kernel closes our end; the guardian reads end-of-file and stops the server. stop() does the same by
 * closing the pipe on purpose. Both are in a session of their own, so that Ctrl-C in the terminal reaches us
 * only and the servers are still there while we close in order.
 *
 * In the shell: stdin is the pipe, fd 3 tells us the server's pid. Background commands of a shell get
 * /dev/null as stdin, hence the copy to fd 4. The server gets none of these. The shell's own remarks ("Killed")
 * stay out of the server's log. A server that ignores the signal
 * for a minute is killed; Redis and Postgres recover from that like from a power cut.
 */
const script = `
signal=$1; shift
exec 4<&0
"$@" </dev/null 3>&- 4<&- &
server=$!
echo "$server" >&3
exec 3>&-
{
  read -r _ <&4
  trap 'kill "$nap"; exit 0' TERM
  kill -s "$signal" "$server"
  waited=0
  while [ "$waited" -lt 60 ] && kill -0 "$server"; do
    sleep 1 & nap=$!
    wait "$nap"
    waited=$((waited + 1))
  done
  kill -s KILL "$server"
} >/dev/null 2>&1 &
watcher=$!
exec 4<&- </dev/null 2>/dev/null
wait "$server"
code=$?
kill "$watcher"
wait "$watcher"
exit "$code"
`;

export interface Command {
  /** How the server is called in sentences. */
  name: string;
  program: string;
  args: readonly string[];
  /** Sent to stop it in order: SIGTERM to Redis, SIGINT (fast shutdown) to Postgres. */
  signal: 'TERM' | 'INT';
  /** stdout and stderr are appended here. */
  logFile: string;
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** The user to run as; ours if absent. */
  user?: { uid: number; gid: number };
}

/** A server process under its guardian. */
export interface Guarded {
  pid: number;
  /** Resolves when server and guardian are gone, with how it ended, in words. */
  exited: Promise<string>;
  /** From here on it does not keep our program alive: one that reaches its end ends, and its server with it. */
  background(): void;
  /** Asks it to stop and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts a server under a guardian. It is running, not ready: the caller asks it.
 * @throws  EmbeddedError if it cannot be started at all
 */
export async function guard(command: Command): Promise<Guarded> {
  rotate(command.logFile);
  const log = openSync(command.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', script, 'guardian', command.signal, command.program, ...command.args], {
      stdio: ['pipe', log, log, 'pipe'],
      detached: true,
      cwd: command.cwd,
      env: command.env,
      uid: command.user?.uid,
      gid: command.user?.gid,
    });
  } finally {
    closeSync(log);
  }
  const leash = child.stdin as Writable;
  // The guardian may be gone when we let go of the leash; that is what we wanted.
  leash.on('error', () => {});

  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => resolve(describeEnd(code, signal)));
  });
  const pid = await Promise.race([readPid(child.stdio[3] as Readable), ended]);
  if (typeof pid === 'string') throw new EmbeddedError(`${command.name} ${pid}.`);

  // A killed guardian protects nobody: the server it left behind is stopped before anything is told.
  const exited = ended.then(async (how) => {
    leash.destroy();
    if (isAlive(pid) && child.signalCode !== null) await stopProcess(pid, command.signal);
    return how;
  });
  return {
    pid,
    exited,
    background() {
      child.unref();
      (leash as Writable & { unref?: () => void }).unref?.();
    },
    async stop() {
      child.ref();
      leash.end();
      await exited;
    },
  };
}

/** Stops a process that is not our child: by signal, after 20 s by SIGKILL. Returns when it is gone. */
export async function stopProcess(pid: number, signal: 'TERM' | 'INT'): Promise<void> {
  signalProcess(pid, `SIG${signal}`);
  const impatientAt = Date.now() + 20_000;
  for (let killed = false; isAlive(pid); ) {
    if (!killed && Date.now() > impatientAt) {
      signalProcess(pid, 'SIGKILL');
      killed = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The last lines of a log, for a sentence about why its server ended; empty if there is none. */
export function tail(logFile: string, lines = 8): string {
  try {
    const size = statSync(logFile).size;
    const buffer = Buffer.alloc(Math.min(size, 8_192));
    const file = openSync(logFile, 'r');
    try {
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
    } finally {
      closeSync(file);
    }
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readPid(from: Readable): Promise<number> {
  return new Promise((resolve) => {
    let text = '';
    from.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.includes('\n')) {
        resolve(Number(text));
        from.destroy();
      }
    });
    // At end-of-file without a pid the exit tells the story.
    from.on('error', () => {});
  });
}

// A shell reports a child killed by signal n as 128 + n.
function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `lost its guardian (${signal})`;
  if (code !== null && code > 128) return `was killed by signal ${code - 128}`;
  return `ended with exit code ${code}`;
}

// One old log is kept: enough to read what happened, never a full disk.
function rotate(logFile: string): void {
  try {
    if (statSync(logFile).size > 8 * 1024 * 1024) renameSync(logFile, `${logFile}.1`);
  } catch {
    // There is none yet.
  }
}
