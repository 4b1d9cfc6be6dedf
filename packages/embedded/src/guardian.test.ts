import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Command, guard, tail } from './guardian.ts';
import { isAlive } from './process-state.ts';
import { supervise } from './supervision.ts';

// The guarded program here is a small shell script: what is under test is who stops whom, and what is said.
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'guardian-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const patient = 'trap "echo asked; exit 0" TERM; echo up; while :; do sleep 0.02; done';
const logFile = () => join(folder, 'server.log');

function command(script: string): Command {
  return {
    name: 'Sleeper',
    program: '/bin/sh',
    args: ['-c', script],
    signal: 'TERM',
    logFile: logFile(),
    cwd: folder,
    env: { PATH: process.env.PATH },
  };
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; !(await what()); ) {
    assert.ok(Date.now() < deadline, 'waited 15 s in vain');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const logs = async (text: string) => (await readFile(logFile(), 'utf8').catch(() => '')).includes(text);
const fresh = () => rm(logFile(), { force: true });

describe('guardian', { timeout: 20_000 }, () => {
  it('runs a server in a session of its own and stops it in order', async () => {
    await fresh();
    const server = await guard(command(patient));
    await until(() => logs('up'));
    const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8').catch(() => undefined);
    // Field 5 is the process group: Ctrl-C goes to ours, not to the server's.
    if (stat !== undefined) assert.notEqual(Number(stat.split(' ')[4]), process.pid);
    await server.stop();
    assert.ok(await logs('asked'));
    assert.equal(isAlive(server.pid), false);
  });

  it('tells how a server ended by itself', async () => {
    assert.equal(await (await guard(command('exit 3'))).exited, 'ended with exit code 3');
    assert.equal(await (await guard(command('kill -KILL $$'))).exited, 'was killed by signal 9');
  });

  it('cannot be started: a sentence', async () => {
    await assert.rejects(guard({ ...command('exit 0'), cwd: '/nowhere' }), /Sleeper could not be started/);
  });

  it('stops the server when its parent is killed with no time to clean up', async () => {
    await fresh();
    const module = new URL('guardian.ts', import.meta.url).href;
    const program = `
      const { guard } = await import(${JSON.stringify(module)});
      const server = await guard(${JSON.stringify({ ...command(patient), env: {} })});
      console.log(server.pid);
      setInterval(() => {}, 1e6);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = await once(parent.stdout, 'data');
    await until(() => logs('up'));
    parent.kill('SIGKILL');
    await until(() => !isAlive(Number(pid)));
    assert.ok(await logs('asked'));
  });

  it('when killed itself takes the server along', async () => {
    const server = await guard(command(patient));
    const parentOf = async (pid: number) => {
      const text = await readFile(`/proc/${pid}/stat`, 'utf8');
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
    };
    if (process.platform !== 'linux') return server.stop();
    process.kill(await parentOf(server.pid), 'SIGKILL');
    assert.equal(await server.exited, 'lost its guardian (SIGKILL)');
    assert.equal(isAlive(server.pid), false);
  });

  it('gives the end of the log', async () => {
    const file = join(folder, 'long.log');
    await writeFile(file, Array.from({ length: 5_000 }, (_, i) => `line ${i}`).join('\n'));
    assert.equal(tail(file, 2), 'line 4998\nline 4999');
    assert.equal(tail(join(folder, 'none.log')), '');
  });
});

describe('supervision', { timeout: 20_000 }, () => {
  it('starts a dead server again, also when the first attempts fail, and says so', async () => {
    const said: string[] = [];
    const told: string[] = [];
    let attempts = 0;
    let ended = 0;
    const supervised = supervise(await guard(command(patient)), {
      name: 'Sleeper',
      logFile: logFile(),
      restart: true,
      start: () => {
        if (++attempts === 1) throw new Error('The port is taken.');
        return guard(command(patient));
      },
      say: (line) => said.push(line),
      onExit: (sentence) => told.push(sentence),
      ended: async () => void ended++,
    });
    const first = supervised.pid() as number;
    process.kill(first, 'SIGKILL');
    await until(() => ![undefined, first].includes(supervised.pid()));
    assert.equal(said[0], 'Sleeper was killed by signal 9; starting it again.');
    assert.match(said[1] as string, /^The port is taken\. Next attempt in 200 ms\.$/);
    assert.match(said[2] as string, /^Sleeper is back after \d+ ms \(process \d+\)\.$/);
    assert.match(told[0] as string, /The end of .*server\.log:\n/);
    await Promise.all([supervised.stop(), supervised.stop()]);
    assert.equal(supervised.pid(), undefined);
    assert.equal(ended, 1);
    assert.equal(said.length, 3);
  });

  it('can be stopped while the server is down', async () => {
    const supervised = supervise(await guard(command('exit 1')), {
      name: 'Sleeper',
      logFile: logFile(),
      restart: true,
      start: () => Promise.reject(new Error('No.')),
      say: () => {},
      ended: async () => {},
    });
    await until(() => supervised.pid() === undefined);
    await supervised.stop();
  });

  it('only reports where it was not asked to start again', async () => {
    const ended = Promise.withResolvers<void>();
    const told: string[] = [];
    supervise(await guard(command('echo why; exit 7')), {
      name: 'Sleeper',
      logFile: logFile(),
      restart: false,
      start: () => assert.fail('started again'),
      say: () => {},
      onExit: (sentence) => told.push(sentence),
      ended: async () => ended.resolve(),
    });
    await ended.promise;
    assert.match(told[0] as string, /^Sleeper ended with exit code 7\. The end of .*why$/s);
  });
});
