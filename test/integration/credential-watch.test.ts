import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '@pushmill/config';
import { createLogger } from '@pushmill/log';
import type { ChannelRow } from '@pushmill/store';
import { testServers } from '@pushmill/testkit';
import { startWorker } from '@pushmill/worker';
import { watchCredentials } from '../../apps/worker/src/credential-watch.ts';
import { useLedger } from './ledger-setup.ts';
import { scriptedVendor } from './scripted-vendor.ts';

const DAY_MS = 86_400_000;
const { store, channel, appId, url, masterKeys } = await useLedger();
const { vendor } = scriptedVendor();
const now = new Date('2026-11-22T12:00:00Z');
const after = (days: number) => new Date(now.getTime() + days * DAY_MS);
const expiring = (days: number) => ({ kind: 'certificate', expiresAt: after(days).toISOString() });

/** So many workers look at the same moment; the days that they say. */
async function look(row: ChannelRow, at: Date, workers = 8): Promise<unknown[]> {
  const said: unknown[] = [];
  const tell = (fields: Record<string, unknown>) => void said.push(fields.days);
  const opened = { ...row, credential: {} };
  await Promise.all(
    Array.from({ length: workers }, () =>
      watchCredentials([{ row: opened, vendor }], {
        store,
        log: { warn: tell, error: tell },
        now: () => at,
      }),
    ),
  );
  return said;
}

async function present(row: ChannelRow): Promise<ChannelRow> {
  const found = await store.channels.get(appId, row.name);
  assert.ok(found);
  return found;
}

describe('the watch over credentials', () => {
  it('is kept by a worker from its start, which measures too', async () => {
    const row = await channel({ vendor: 'scripted', credentialShown: expiring(365 * 40) });
    const past = new Date(Date.now() - 60_000).toISOString();
    const over = await channel({ vendor: 'scripted', credentialShown: { kind: 'p12', expiresAt: past } });
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const config = loadConfig({
      REDIS_URL: (await testServers()).redisUrl,
      DATABASE_URL: url,
      PUSHMILL_MASTER_KEY: masterKeys.reveal(),
      PUSHMILL_METRICS_PORT: '0',
    });
    const log = createLogger({ role: 'worker', level: 'warn', destination });
    const worker = await startWorker(config, log, { vendorTable: { scripted: vendor } });
    try {
      const said = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'credential.expiring');
      assert.deepEqual(
        said.map(({ level, channel, days }) => [level, channel, days]),
        [['error', over.name, 0]],
      );
      const metrics = await (await fetch(`http://127.0.0.1:${worker.port}/metrics`)).text();
      const measured = new Map(
        [...metrics.matchAll(/^pushmill_credential_expires_in_seconds\{(.*)\} (-?\d+)$/gm)].map(
          ([, labels, value]) => [/channel="([^"]+)"/.exec(labels as string)?.[1], Number(value)],
        ),
      );
      assert.deepEqual([...measured.keys()].sort(), [row.name, over.name].sort());
      assert.ok((measured.get(row.name) as number) > 0);
      assert.ok((measured.get(over.name) as number) <= -60);
    } finally {
      await worker.close();
    }
    for (const { name } of [row, over]) await store.channels.remove(appId, name);
  });

  it('is heard once in the cluster for each threshold, and changes no version', async () => {
    const row = await channel({ credentialShown: expiring(20) });
    assert.deepEqual(await look(row, now), [20]);
    assert.deepEqual(await look(row, now), []);
    assert.deepEqual(await look(row, after(5)), []);
    assert.deepEqual(await look(row, after(6)), [14]);
    assert.deepEqual(await look(row, after(19)), [1]);
    assert.deepEqual(await look(row, after(21)), [0]);
    assert.deepEqual(await look(row, after(22)), []);
    // A clock that is behind says nothing that was said better.
    assert.deepEqual(await look(row, now), []);
    assert.equal((await present(row)).version, row.version);
  });

  it('begins anew with a new credential, and does not take the old one for it', async () => {
    const row = await channel({ credentialShown: expiring(6) });
    assert.deepEqual(await look(row, now), [6]);
    const credentialShown = expiring(13);
    await store.channels.update(appId, row.name, { credential: { key: 'new' }, credentialShown });
    // A worker that has not seen the change yet.
    assert.deepEqual(await look(row, after(6)), []);
    const changed = await present(row);
    assert.deepEqual(await look(changed, now), [13]);
    assert.deepEqual(await look(changed, now), []);
  });

  it('is not reset by a change of the settings', async () => {
    const row = await channel({ credentialShown: expiring(6) });
    assert.deepEqual(await look(row, now), [6]);
    await store.channels.update(appId, row.name, { settings: { environment: 'production' } });
    assert.deepEqual(await look(await present(row), now), []);
  });

  it('leaves removed channels alone', async () => {
    const row = await channel({ credentialShown: expiring(6) });
    await store.channels.remove(appId, row.name);
    assert.deepEqual(await look(row, now), []);
  });
});
