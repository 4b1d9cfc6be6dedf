/*
 * `pushmill doctor` on a real Postgres and Redis, and a receipts service that listens. What cannot be had of real
 * servers here (a wrong clock, a replica) is in the unit tests of its checks.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, describe, it } from 'node:test';
import { createLogger, createMetrics } from '@pushmill/log';
import { buildReceipts } from '@pushmill/receipts';
import { createTestDatabase, testServers } from '@pushmill/testkit';
import { vendors } from '@pushmill/vendors';
import { examine } from '../../apps/cli/src/doctor/examination.ts';
import type { Finding } from '../../apps/cli/src/doctor/finding.ts';
import { askRedis } from '../../apps/cli/src/redis-dialog.ts';
import { useLedger } from './ledger-setup.ts';

after(() => receipts.close());
const ledger = await useLedger();
const { store, appId } = ledger;
const { redisUrl } = await testServers();
const receipts = await buildReceipts({
  store,
  vendors,
  log: createLogger({ role: 'receipts', level: 'silent' }),
  metrics: createMetrics('receipts'),
});
const receiptsUrl = await receipts.listen({ port: 0, host: '127.0.0.1' });

const env = {
  REDIS_URL: redisUrl,
  DATABASE_URL: ledger.url,
  PUSHMILL_MASTER_KEY: ledger.masterKeys.reveal(),
  PUSHMILL_DATA_DIR: '/nowhere',
  PUSHMILL_PORT: await closedPort(),
  PUSHMILL_METRICS_PORT: await closedPort(),
  PUSHMILL_RECEIPTS_PORT: new URL(receiptsUrl).port,
};

const after30Days = new Date(Date.now() + 29.5 * 86_400_000).toISOString();

/** One that was somebody's a moment ago. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

function find(findings: readonly Finding[], check: string): Finding {
  const [found, ...others] = findings.filter((finding) => finding.check === check);
  assert.ok(found, `${check} is not among ${findings.map((one) => one.check).join(', ')}`);
  assert.deepEqual(others, []);
  return found;
}

describe('pushmill doctor', () => {
  it('finds an installation in order', async () => {
    const findings = await examine(env);
    for (const check of [
      'settings',
      'Postgres',
      'schema',
      'clock of Postgres',
      'Redis',
      'Redis policy',
      'clock of Redis',
      'role receipts',
      'public receipts URL',
    ]) {
      assert.equal(find(findings, check).state, 'ok', JSON.stringify(find(findings, check)));
    }
    assert.match(find(findings, 'Postgres').detail, /^\d+(\.\d+)? answers at /);
    assert.match(find(findings, 'Redis').detail, /^(Valkey )?\d+\.\d+\.\d+ answers at /);
    assert.equal(find(findings, 'role api').state, 'skipped');
    assert.equal(find(findings, 'channels').state, 'skipped');
    const persistent = String((await askRedis(redisUrl, [['INFO', 'persistence']]))[0]);
    const expected = /^aof_enabled:1\r?$/m.test(persistent) ? 'ok' : 'warning';
    assert.equal(find(findings, 'Redis persistence').state, expected);
  });

  it('tells of each channel, with the vendor’s words', async () => {
    const refused = await ledger.channel({ name: 'refused' });
    await ledger.channel({ name: 'ending', credentialShown: { kind: 'p12', expiresAt: after30Days } });
    await ledger.channel({ name: 'pretended', settings: { emulator: true } });
    await ledger.channel({ name: 'good' });
    await store.channels.pauseVersion(refused.id, refused.version, {
      by: 'pushmill',
      code: 'InvalidProviderToken',
      detail: 'The provider token is not valid.',
    });
    const findings = await examine(env);
    assert.equal(find(findings, 'channel good').state, 'ok');
    assert.match(find(findings, 'channel refused').detail, /InvalidProviderToken: The provider token is not/);
    assert.equal(find(findings, 'channel refused').state, 'failed');
    assert.match(find(findings, 'channel ending').detail, /expires in 29 days/);
    assert.equal(find(findings, 'channel pretended').state, 'warning');
    for (const { name } of await store.channels.list(appId)) await store.channels.remove(appId, name);
  });

  it('follows the public receipts URL to the receipts service', async () => {
    const row = await ledger.channel({ name: 'called-back', vendor: 'mpaas', settings: {} });
    const details = async (given: Record<string, string>) =>
      (await examine({ ...env, ...given }))
        .filter(({ check }) => check === 'public receipts URL')
        .map(({ state, detail }) => `${state} ${detail}`);
    const [unset] = await details({});
    assert.match(String(unset), /^warning not set: channels show an address of this machine/);
    const [own, plain, ...rest] = await details({ PUSHMILL_PUBLIC_RECEIPTS_URL: receiptsUrl });
    assert.match(String(own), /^warning .*vendors cannot reach it/);
    assert.match(String(plain), /^warning .* is not https/);
    assert.deepEqual(rest, []);
    const gone = await details({ PUSHMILL_PUBLIC_RECEIPTS_URL: `http://127.0.0.1:${env.PUSHMILL_PORT}` });
    assert.match(String(gone.at(-1)), /^failed .*ECONNREFUSED/);
    await store.channels.remove(appId, row.name);
  });

  it('finds a database without the schema, and one that takes no changes', async () => {
    const empty = await createTestDatabase({ schemaVersion: 'none', migrate: async () => {} });
    try {
      const findings = await examine({ ...env, DATABASE_URL: empty.url });
      assert.equal(find(findings, 'schema').state, 'failed');
      assert.match(find(findings, 'schema').detail, /0001_\S+, 0002_/);
      assert.match(String(find(findings, 'schema').remedy), /pushmill migrate/);
      assert.equal(find(findings, 'channels').state, 'skipped');
    } finally {
      await empty.drop();
    }
    const readOnly = new URL(ledger.url);
    readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
    const findings = await examine({ ...env, DATABASE_URL: readOnly.href });
    assert.match(find(findings, 'Postgres').detail, /takes no changes/);
  });

  it('finds a schema that lacks the last step, and one that is ahead', async () => {
    const [last] = await ledger.rows<{ name: string }>(
      'SELECT name FROM schema_migrations ORDER BY name DESC LIMIT 1',
    );
    const rename = (from: string, to: string) =>
      ledger.rows('UPDATE schema_migrations SET name = $2 WHERE name = $1', [from, to]);
    assert.ok(last);
    await rename(last.name, '9999_of_tomorrow');
    try {
      assert.match(find(await examine(env), 'schema').detail, new RegExp(`${last.name} is not applied`));
    } finally {
      await rename('9999_of_tomorrow', last.name);
    }
    await ledger.rows("INSERT INTO schema_migrations (name, run_on) VALUES ('9999_of_tomorrow', now())");
    try {
      const { state, detail } = find(await examine(env), 'schema');
      assert.equal(state, 'warning');
      assert.match(detail, /9999_of_tomorrow is not known here/);
    } finally {
      await ledger.rows("DELETE FROM schema_migrations WHERE name = '9999_of_tomorrow'");
    }
  });

  it('finds a Redis that may drop jobs', async () => {
    const policy = (value: string) => askRedis(redisUrl, [['CONFIG', 'SET', 'maxmemory-policy', value]]);
    assert.deepEqual(await policy('allkeys-lru'), ['OK']);
    try {
      const finding = find(await examine(env), 'Redis policy');
      assert.equal(finding.state, 'failed');
      assert.match(finding.detail, /allkeys-lru/);
    } finally {
      await policy('noeviction');
    }
  });

  it('finds servers that are away or refuse us, and keeps passwords to itself', async () => {
    const away = await examine({
      ...env,
      REDIS_URL: 'redis://:the-password@127.0.0.1:1',
      DATABASE_URL: 'postgres://someone:the-password@127.0.0.1:1/push',
    });
    assert.match(find(away, 'Redis').detail, /127\.0\.0\.1:1: ECONNREFUSED$/);
    assert.match(find(away, 'Postgres').detail, /127\.0\.0\.1:1\/push: ECONNREFUSED$/);
    assert.equal(find(away, 'public receipts URL').state, 'warning');
    const stranger = new URL(redisUrl);
    stranger.username = 'nobody';
    stranger.password = 'the-password';
    const refused = await examine({ ...env, REDIS_URL: stranger.href });
    assert.match(find(refused, 'Redis').detail, /the login is refused: WRONGPASS/);
    assert.doesNotMatch(JSON.stringify([away, refused]), /the-password/);
  });
});
