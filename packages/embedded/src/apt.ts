import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { lockMachine } from './machine.ts';

// dpkg refuses to work without the folders of the system's programs on its PATH.
const systemPath = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin';

const policyFile = '/usr/sbin/policy-rc.d';
const policyMark = '# Written by pushmill while it installs redis-server.';

/**
 * Installs redis-server from the distribution, as root, without leaving its system service running or enabled:
 * pushmill runs a Redis of its own, and nobody asked for one on port 6379. Several processes at once install
 * once.
 * @param o.find  looks for the program; asked again once it is our turn, and after
 * @returns       the program, or undefined (after a line) if the distribution could not give it
 */
export async function installRedis(o: {
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  find: () => Promise<string | undefined>;
}): Promise<string | undefined> {
  const lock = await lockMachine(() => o.say('Redis is being installed by another process: waiting for it…'));
  try {
    const found = await o.find();
    if (found !== undefined) return found;
    o.say(
      "Redis is not installed: installing redis-server from the distribution's packages (its service stays off)…",
    );
    const startedAt = Date.now();
    const allowStarting = await forbidStarting();
    try {
      const first = await aptGet(o.env, installation);
      if (first.code !== 0) {
        // No package lists yet (a fresh image), or lists older than the archive. One broken extra source
        // makes update fail although Debian's own list arrived, so only the install counts.
        await aptGet(o.env, ['update', '-q']);
        const second = await aptGet(o.env, installation);
        if (second.code !== 0) {
          o.say(`redis-server could not be installed: ${reason(second.output)}`);
          return undefined;
        }
      }
      // Else the next boot would start it; and a policy of the machine's own may have let it start now.
      await run('update-rc.d', ['redis-server', 'disable'], o.env);
      await run('service', ['redis-server', 'stop'], o.env);
    } finally {
      await allowStarting();
    }
    o.say(`redis-server is installed (${Math.round((Date.now() - startedAt) / 1000)} s).`);
    return await o.find();
  } finally {
    await lock.release();
  }
}

const installation = ['install', '-y', '-q', '--no-install-recommends', 'redis-server'];

function aptGet(env: NodeJS.ProcessEnv, args: string[]): Promise<{ code: number | null; output: string }> {
  const patience = [
    '-o',
    'DPkg::Lock::Timeout=120',
    '-o',
    'Acquire::http::Timeout=20',
    '-o',
    'Acquire::Retries=1',
  ];
  return run('apt-get', [...patience, ...args], {
    ...env,
    DEBIAN_FRONTEND: 'noninteractive',
    // Ubuntu would ask which services to restart.
    NEEDRESTART_SUSPEND: '1',
  });
}

/**
 * Debian's packages ask policy-rc.d whether they may start a service; ours says no for as long as we live.
 * Where there is one already it stays: containers have one that says no.
 */
async function forbidStarting(): Promise<() => Promise<void>> {
  const existing = await readFile(policyFile, 'utf8').catch(() => undefined);
  const leftover = existing?.includes(policyMark) === true;
  if (existing !== undefined && !leftover) return async () => {};
  const text = `#!/bin/sh\n${policyMark}\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
  await rm(policyFile, { force: true });
  await writeFile(policyFile, text, { mode: 0o755, flag: 'wx' });
  return () => rm(policyFile, { force: true });
}

function run(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...env, PATH: `${env.PATH ?? ''}:${systemPath}`, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-16_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}

function reason(output: string): string {
  const lines = output.trim().split('\n');
  return lines.find((line) => line.startsWith('E:')) ?? lines.at(-1) ?? 'no reason given';
}
