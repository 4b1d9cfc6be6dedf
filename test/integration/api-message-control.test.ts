import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, describe, it } from 'node:test';
import type { ClaimedBatch } from '@pushmill/store';
import pg from 'pg';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, producer, operator, store } = world;

const post = (url: string, headers: Record<string, string> = producer, payload?: object) =>
  api.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) });

before(async () => {
  const made = await post('/v1/channels', operator, {
    name: 'ios',
    vendor: 'apns',
    settings: { topic: 'com.example.app' },
    credential: apnsCredential(),
  });
  assert.equal(made.statusCode, 201, made.body);
});

const inAnHour = () => ({ sendAt: new Date(Date.now() + 3_600_000).toISOString() });

/** An accepted message's id. */
async function send(change: object = {}): Promise<string> {
  const to = [{ channel: 'ios', tokens: [apnsToken(), apnsToken()] }];
  const response = await post('/v1/messages', producer, {
    notification: { title: 'Hi' },
    class: 'marketing',
    to,
    ...change,
  });
  assert.equal(response.statusCode, 202, response.body);
  return response.json().id;
}

async function change(id: string, verb: string, headers = producer) {
  const response = await post(`/v1/messages/${id}/${verb}`, headers);
  assert.equal(response.statusCode, 200, response.body);
  return response.json();
}
const get = async (id: string) => (await api.inject({ url: `/v1/messages/${id}`, headers: producer })).json();

async function rows<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: world.databaseUrl, application_name: 'test' });
  await client.connect();
  return (await client.query<Row>(text, values).finally(() => client.end())).rows;
}
const batchesOf = (id: string) =>
  rows<{ id: string; run: number; state: string }>(
    'SELECT id, run, state FROM batches WHERE $1 = ANY (message_ids)',
    [id],
  );

describe('pausing and resuming a message', () => {
  it('is seen in the message, as often as it is asked', async () => {
    const id = await send(inAnHour());
    const paused = await change(id, 'pause');
    assert.equal(paused.state, 'paused');
    assert.ok(Date.now() - Date.parse(paused.pausedAt) < 60_000);
    assert.deepEqual(await change(id, 'pause'), paused);
    assert.deepEqual(await get(id), paused);
    const listed = (await api.inject({ url: '/v1/messages?limit=1', headers: producer })).json().items[0];
    assert.deepEqual(listed, paused);
    assert.deepEqual(
      (await batchesOf(id)).map(({ state }) => state),
      ['held'],
    );

    const resumed = await change(id, 'resume', operator);
    assert.deepEqual([resumed.state, resumed.pausedAt], ['scheduled', null]);
    assert.deepEqual(await change(id, 'resume'), resumed);
    assert.deepEqual(
      (await batchesOf(id)).map(({ state }) => state),
      ['waiting'],
    );
  });

  it('feeds the channel when it goes on', async () => {
    const id = await send(inAnHour());
    await change(id, 'pause');
    const fed = world.fed.length;
    await change(id, 'resume');
    const app = await store.apps.ensureDefault();
    assert.deepEqual(world.fed.slice(fed), [(await store.channels.get(app.id, 'ios'))?.id]);
    await change(id, 'resume');
    assert.equal(world.fed.length, fed + 1);
  });

  it('leaves what is settled or cancelled as it is', async () => {
    const cancelled = await send(inAnHour());
    const answer = await change(cancelled, 'cancel');
    assert.equal(answer.state, 'cancelled');
    const settled = await send(inAnHour());
    await rows(`UPDATE pushes SET state = 'accepted' WHERE message_id = $1`, [settled]);
    for (const verb of ['pause', 'resume']) {
      assert.deepEqual(await change(cancelled, verb), answer);
      const { state, pausedAt } = await change(settled, verb);
      assert.deepEqual([state, pausedAt], ['settled', null]);
    }
  });

  it('can end in cancelling', async () => {
    const id = await send(inAnHour());
    await change(id, 'pause');
    const { state, counts } = await change(id, 'cancel');
    assert.deepEqual([state, counts], ['cancelled', { cancelled: 2 }]);
    assert.deepEqual(await batchesOf(id), []);
  });

  it('holds back what comes from a worker as well', async () => {
    const id = await send();
    const app = await store.apps.ensureDefault();
    const channel = await store.channels.get(app.id, 'ios');
    await store.batches.takeDue(200, [channel?.id as string]);
    const [row] = await batchesOf(id);
    const batch = (await store.batches.claim(row?.id as string, row?.run as number, 60_000)) as ClaimedBatch;
    assert.ok(batch);
    assert.equal((await change(id, 'pause')).state, 'paused');
    assert.deepEqual((await store.batches.standings([batch], 60_000))[0]?.paused, [id]);
    await store.batches.settle(batch, [{ dueAt: new Date(), pushes: batch.pushes, isHeld: true }]);
    assert.deepEqual(
      (await batchesOf(id)).map(({ state }) => state),
      ['held'],
    );
    await change(id, 'resume');
    assert.notEqual((await batchesOf(id))[0]?.state, 'held');
  });

  for (const verb of ['cancel', 'pause', 'resume']) {
    it(`${verb} refuses wrong ids and strangers`, async () => {
      const id = await send(inAnHour());
      const other = await store.apps.ensure('other');
      const { key } = await store.keys.create({ appId: other.id, name: 'k', role: 'operator' });
      const basic = Buffer.from(`operator:${world.password}`).toString('base64');
      for (const [path, headers, status, code] of [
        [randomUUID(), producer, 404, 'not-found'],
        [id, { authorization: `Bearer ${key}` }, 404, 'not-found'],
        ['1', producer, 400, 'invalid-request'],
        [`${id}.0`, producer, 400, 'invalid-request'],
        [id, {}, 401, 'unauthenticated'],
        [id, { authorization: `Basic ${basic}` }, 403, 'forbidden'],
      ] as const) {
        const response = await post(`/v1/messages/${path}/${verb}`, headers);
        assert.equal(response.statusCode, status, response.body);
        assert.equal(response.json().code, code);
      }
      const { state, pausedAt } = await get(id);
      assert.deepEqual([state, pausedAt], ['scheduled', null]);
    });
  }
});

describe('maintenance', () => {
  it('lets go what is held for nobody, and nothing else', async () => {
    const [forgotten, paused] = [await send(inAnHour()), await send(inAnHour())];
    await change(paused, 'pause');
    await rows(`UPDATE batches SET state = 'held' WHERE message_ids[1] = $1`, [forgotten]);
    await store.maintain();
    assert.deepEqual(
      (await batchesOf(forgotten)).map(({ state }) => state),
      ['waiting'],
    );
    assert.deepEqual(
      (await batchesOf(paused)).map(({ state }) => state),
      ['held'],
    );
  });
});
