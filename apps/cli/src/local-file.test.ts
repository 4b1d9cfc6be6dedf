import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect, databaseUrlOf } from './connection.ts';
import { type LocalFile, readLocalFile, removeLocalFile, writeLocalFile } from './local-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'pushmill-local-'));
after(() => rmSync(folder, { recursive: true }));

const content: LocalFile = {
  pid: process.pid,
  url: 'http://127.0.0.1:1',
  receiptsUrl: 'http://127.0.0.1:2',
  workerUrl: 'http://127.0.0.1:3',
  redisUrl: 'redis://127.0.0.1',
  demo: false,
  producerKey: 'p',
  operatorKey: 'o',
  databaseUrl: 'postgres://127.0.0.1/x',
  masterKey: 'm',
};
const env = { PUSHMILL_DATA_DIR: folder };

describe('local.json', () => {
  it('is for its owner alone, also where a wider one lay', async () => {
    writeFileSync(join(folder, 'local.json.new'), '', { mode: 0o644 });
    await writeLocalFile(folder, content);
    assert.equal(statSync(join(folder, 'local.json')).mode & 0o777, 0o600);
    assert.deepEqual(readLocalFile(folder), content);
    assert.equal(connect(env, 'producer').url, content.url);
    assert.equal(databaseUrlOf(env).reveal(), content.databaseUrl);
  });

  it('of a killed up counts for nothing', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await writeLocalFile(folder, { ...content, pid });
    assert.equal(readLocalFile(folder), undefined);
  });

  it('does not lend its key to another address', async () => {
    await writeLocalFile(folder, content);
    assert.throws(
      () => connect({ ...env, PUSHMILL_URL: 'http://elsewhere.example' }, 'operator'),
      /PUSHMILL_API_KEY is not/,
    );
  });

  it('missing, leads to a sentence that names the ways out', () => {
    removeLocalFile(folder);
    assert.equal(readLocalFile(folder), undefined);
    assert.throws(
      () => connect(env, 'producer'),
      /^CommandError: No pushmill is running on .*npx pushmill up/,
    );
    assert.throws(() => databaseUrlOf(env), /or set DATABASE_URL\.$/);
  });
});
