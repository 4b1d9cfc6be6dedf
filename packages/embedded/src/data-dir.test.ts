import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { defaultDataDir, lockDataDir, makeTemporaryDataDir, openDataDir, removeDataDir } from './data-dir.ts';
import { tryLock, waitForLock } from './lock.ts';
import { freePort, isPortFree, keptPort } from './port.ts';
import { loadOrCreateSecrets, newPassword } from './secrets.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

describe('data folder', () => {
  it('is PUSHMILL_DATA_DIR or .pushmill here', () => {
    assert.equal(defaultDataDir({ PUSHMILL_DATA_DIR: '/srv/push' }), '/srv/push');
    assert.equal(defaultDataDir({}), join(process.cwd(), '.pushmill'));
    assert.equal(defaultDataDir({ PUSHMILL_DATA_DIR: '' }), join(process.cwd(), '.pushmill'));
  });

  it('is unreadable for others, and left as it is where it exists', async () => {
    const made = join(folder, 'made');
    await openDataDir(made);
    assert.equal((await stat(made)).mode & 0o044, 0);
    const given = join(folder, 'given');
    await mkdir(given, { mode: 0o750 });
    await openDataDir(given);
    assert.equal((await stat(given)).mode & 0o777, 0o750);
  });

  it('when removed takes along only a database that pushmill put elsewhere', async () => {
    const dataDir = join(folder, 'removed');
    const precious = join(folder, 'precious', 'postgres');
    await mkdir(join(dataDir, 'postgres'), { recursive: true });
    await mkdir(precious, { recursive: true });
    await writeFile(join(dataDir, 'postgres', 'location'), precious);
    await removeDataDir(dataDir);
    assert.ok((await stat(precious)).isDirectory());
    await assert.rejects(stat(dataDir));
  });

  it('can be temporary', async () => {
    const temporary = await makeTemporaryDataDir();
    assert.ok((await stat(temporary.path)).isDirectory());
    await temporary.remove();
    await assert.rejects(stat(temporary.path));
  });
});

describe('lock', () => {
  it('gives the second comer a sentence with the owner, and is free again after release', async () => {
    const dataDir = join(folder, 'locked');
    const lock = await lockDataDir(dataDir);
    await assert.rejects(
      lockDataDir(dataDir),
      new RegExp(`in use by process ${process.pid} .*: stop it, or choose`),
    );
    await lock.release();
    await lock.release();
    await (await lockDataDir(dataDir)).release();
  });

  it('is free again when its owner is killed, with no time to clean up', async () => {
    const path = join(folder, 'killed.lock');
    const module = new URL('lock.ts', import.meta.url).href;
    const owner = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { tryLock } = await import(${JSON.stringify(module)});
         globalThis.lock = await tryLock(${JSON.stringify(path)});
         console.log('held'); setInterval(() => {}, 1e6);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(owner.stdout, 'data');
    assert.equal(await tryLock(path), undefined);
    const waiting = waitForLock(path, 10_000);
    owner.kill('SIGKILL');
    await (await waiting).release();
  });

  it('waiting for it ends with a sentence', async () => {
    const path = join(folder, 'waited.lock');
    const lock = await tryLock(path);
    await assert.rejects(waitForLock(path, 0), /Another process has held .*waited\.lock/);
    await lock?.release();
  });
});

describe('secrets', () => {
  it('are made once, agreed on by callers at the same time, and kept by later ones', async () => {
    const dataDir = join(folder, 'secrets');
    const makers = { redisPassword: newPassword, masterKey: () => `key-${newPassword()}` };
    const [a, b] = await Promise.all([
      loadOrCreateSecrets(dataDir, makers),
      loadOrCreateSecrets(dataDir, makers),
    ]);
    assert.deepEqual(a, b);
    assert.match(a.masterKey, /^key-[\w-]{32}$/);
    const c = await loadOrCreateSecrets(dataDir, { redisPassword: newPassword, other: () => 'x' });
    assert.deepEqual(c, { redisPassword: a.redisPassword, other: 'x' });
    assert.deepEqual(await loadOrCreateSecrets(dataDir, makers), a);
    const path = join(dataDir, 'secrets.json');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.endsWith('.new')),
      [],
    );
  });

  it('that cannot be read are never replaced, nor quoted', async () => {
    const dataDir = join(folder, 'damaged');
    await openDataDir(dataDir);
    await writeFile(join(dataDir, 'secrets.json'), '{"masterKey": "s3cret"');
    await assert.rejects(loadOrCreateSecrets(dataDir, { masterKey: newPassword }), (error: Error) => {
      assert.match(error.message, /is damaged: restore it/);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
    assert.match(await readFile(join(dataDir, 'secrets.json'), 'utf8'), /s3cret/);
  });
});

describe('port', () => {
  it('lies below the ranges of outgoing connections, and is kept while it is free', async () => {
    const file = join(folder, 'port');
    const port = await keptPort(file);
    assert.ok(port >= 20_000 && port < 32_000);
    assert.equal(await keptPort(file), port);
  });

  it('is another one when the kept one is taken', async () => {
    const { createServer } = await import('node:net');
    const file = join(folder, 'taken');
    const other = createServer().listen(await freePort(), '127.0.0.1');
    await once(other, 'listening');
    const taken = (other.address() as { port: number }).port;
    await writeFile(file, String(taken));
    assert.equal(await isPortFree(taken), false);
    const port = await keptPort(file);
    assert.notEqual(port, taken);
    assert.equal(await keptPort(file), port);
    other.close();
  });

  it('is a new one when the file holds nonsense', async () => {
    const file = join(folder, 'nonsense');
    await writeFile(file, '99999999');
    assert.ok((await keptPort(file)) < 32_000);
  });
});
