import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type RoleOptions, startRole } from './role-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'pushmill-role-'));
after(() => rmSync(folder, { recursive: true }));

function options(env: NodeJS.ProcessEnv = {}): RoleOptions & { logFile: string; said: string[] } {
  const said: string[] = [];
  return {
    name: 'worker',
    env: { ...process.env, ...env },
    logFile: join(folder, 'worker.log'),
    launcher: fileURLToPath(new URL('./fixtures/role.mjs', import.meta.url)),
    say: (line) => void said.push(line),
    said,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('startRole', () => {
  it('starts it, logs to its file, and stops it without a trace', async () => {
    const o = options();
    const role = await startRole(o);
    const pid = role.pid() as number;
    assert.ok(isAlive(pid));
    assert.match(readFileSync(o.logFile, 'utf8'), /worker runs/);
    await role.stop();
    assert.equal(role.pid(), undefined);
    assert.equal(isAlive(pid), false);
    assert.deepEqual(o.said, []);
    await role.stop();
  });

  it('gives a worker room for young garbage, unless the operator says how much', async () => {
    const ours = '--max-semi-space-size=64';
    const o = options({ NODE_OPTIONS: '--max-semi-space-size=8' });
    const worker = await startRole(o);
    await worker.stop();
    assert.match(
      readFileSync(o.logFile, 'utf8'),
      new RegExp(`with options ${ours} --max-semi-space-size=8\n`),
    );
    const logFile = join(folder, 'api.log');
    const api = await startRole({ ...options({ NODE_OPTIONS: undefined }), name: 'api', logFile });
    await api.stop();
    assert.match(readFileSync(logFile, 'utf8'), /with options \n/);
  });

  it('starts it again after a death nobody asked for, and says so in one line', async () => {
    const o = options();
    const role = await startRole(o);
    const first = role.pid() as number;
    role.kill('SIGKILL');
    await died(role);
    await role.ready();
    const second = role.pid() as number;
    assert.notEqual(second, first);
    assert.ok(isAlive(second));
    assert.equal(role.deaths(), 1);
    assert.match(
      o.said[0] as string,
      /^worker \(process \d+\) was ended by SIGKILL; starting it again in 0\.5 s\./,
    );
    await role.stop();
    assert.equal(isAlive(second), false);
  });

  it('can be stopped while it waits to start again', async () => {
    const role = await startRole(options());
    role.kill('SIGKILL');
    await died(role);
    await role.stop();
    assert.equal(role.pid(), undefined);
    await assert.rejects(role.ready(), /stopped/);
  });

  it("fails a first start with the role's own sentence", async () => {
    await assert.rejects(
      startRole(options({ ROLE_FAILS: '1' })),
      /The worker role ended with code 1: The settings cannot be used\./,
    );
  });
});

/** Waits for the death to be known: a turn of the event loop at a time, as nothing tells of it. */
async function died(role: { deaths(): number }): Promise<void> {
  while (role.deaths() === 0) await setImmediate();
}
