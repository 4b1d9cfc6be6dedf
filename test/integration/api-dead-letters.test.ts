import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, it } from 'node:test';
import { formatPushId, newId } from '@pushmill/core';
import type { ChannelRow, NewMessage } from '@pushmill/store';
import { createProgram } from '../../apps/cli/src/program.ts';
import { silentTerminal } from '../../apps/cli/src/silent-terminal.ts';
import { type GivenUp, giveUp } from './given-up.ts';
import { useHttpWorld } from './http-setup.ts';
import { newToken } from './ledger-setup.ts';
import { scriptedVendor } from './scripted-vendor.ts';

const { vendor } = scriptedVendor();
const world = await useHttpWorld({ vendors: { scripted: vendor } });
const { api, operator, producer, store } = world;
const appId = (await store.apps.ensureDefault()).id;
await api.listen({ port: 0, host: '127.0.0.1' });
const url = `http://127.0.0.1:${(api.server.address() as AddressInfo).port}`;

const get = (path: string, headers = operator) => api.inject({ url: `/v1${path}`, headers });
const post = (path: string, payload: object, headers = operator) =>
  api.inject({ method: 'POST', url: `/v1${path}`, headers, payload });

const ledger = {
  store,
  message: (channelId: string, count: number, changes?: Partial<NewMessage>): NewMessage => ({
    id: newId(),
    appId,
    content: { notification: { body: 'hello' }, class: 'transactional', priority: 'high' },
    lane: 'urgent',
    sendAt: null,
    expiresAt: new Date(Date.now() + 3_600_000),
    recipients: Array.from({ length: count }, () => ({ channelId, token: newToken() })),
    ...changes,
  }),
};

async function channelOf(name: string): Promise<ChannelRow> {
  await post('/channels', { name, vendor: 'scripted', credential: {} });
  return (await store.channels.get(appId, name)) as ChannelRow;
}

const one = await channelOf('one');
const two = await channelOf('two');
const buried = (channel: ChannelRow, count: number, what: GivenUp = {}) =>
  giveUp(ledger, channel, count, what);

beforeEach(async () => {
  await store.deadLetters.drop(appId, { filter: {} });
  world.fed.length = 0;
});

describe('dead letters over HTTP', () => {
  it('are listed with their last outcome, page by page, and summed up', async () => {
    const message = await buried(one, 3);
    await buried(two, 1, { state: 'unknown', code: 'timeout' });
    const first = (await get('/dead-letters?limit=3')).json();
    assert.deepEqual(
      first.items.map((letter: { channel: string }) => letter.channel),
      ['two', 'one', 'one'],
    );
    const { at, ...letter } = first.items[1];
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
    assert.deepEqual(letter, {
      pushId: formatPushId({ messageId: message.id, n: 2 }),
      channel: 'one',
      vendor: 'scripted',
      state: 'failed',
      kind: 'rejected',
      code: 'BadTopic',
      detail: 'the detail',
    });
    const rest = (await get(`/dead-letters?limit=3&cursor=${first.nextCursor}`)).json();
    assert.equal(rest.items.length, 1);
    assert.equal(rest.nextCursor, null);
    const unknown = (
      await get('/dead-letters?state=unknown&vendor=scripted&code=timeout&channel=two')
    ).json();
    assert.equal(unknown.items.length, 1);

    const summary = (await get('/dead-letters/summary')).json();
    assert.equal(summary.count, 4);
    assert.partialDeepStrictEqual(summary.groups, [
      { channel: 'one', vendor: 'scripted', code: 'BadTopic', count: 3 },
      { channel: 'two', vendor: 'scripted', code: 'timeout', count: 1 },
    ]);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    assert.deepEqual((await get(`/dead-letters/summary?from=${tomorrow}`)).json(), { count: 0, groups: [] });
  });

  it('are replayed by filter or id, which feeds their channels and shows in the timeline', async () => {
    const message = await buried(one, 3);
    const other = await buried(two, 1);
    const ids = [formatPushId({ messageId: message.id, n: 0 })];
    const byId = await post('/dead-letters/replay', { ids, ttlSeconds: 60 });
    assert.equal(byId.statusCode, 200);
    assert.deepEqual(byId.json(), { replayed: 1, remaining: 0, more: false, hindered: {} });
    assert.deepEqual(world.fed, [one.id]);
    const timeline = (await get(`/pushes/${ids[0]}`)).json().timeline;
    assert.deepEqual(
      timeline.map(({ type, code = null }: { type: string; code?: string | null }) => [type, code]),
      [
        ['queued', null],
        ['attempt', 'BadTopic'],
        ['replayed', null],
      ],
    );
    const byFilter = await post('/dead-letters/replay', { filter: { channel: 'one', code: 'BadTopic' } });
    assert.equal(byFilter.json().replayed, 2);
    assert.deepEqual((await get(`/messages/${message.id}`)).json().counts, { queued: 3 });
    assert.deepEqual((await get(`/messages/${other.id}`)).json().counts, { failed: 1 });
    assert.equal((await post('/dead-letters/replay', { filter: {}, all: true })).json().replayed, 1);
    assert.equal((await get('/dead-letters')).json().items.length, 0);
    assert.match(world.logged.join(), /dead-letters\.replayed/);
  });

  it('are dropped, and their pushes stay', async () => {
    const message = await buried(one, 3);
    const answer = await post('/dead-letters/drop', { filter: { channel: 'one' } });
    assert.deepEqual(answer.json(), { dropped: 3, remaining: 0, more: false });
    assert.deepEqual((await get(`/messages/${message.id}`)).json().counts, { failed: 3 });
    assert.deepEqual(world.fed, []);
  });

  it('say what is wrong with a question or a selection', async () => {
    await buried(one, 1);
    const pushId = formatPushId({ messageId: newId(), n: 0 });
    for (const [body, pointer, code] of [
      [{}, '', 'required'],
      [{ filter: {} }, '', 'required'],
      [{ all: false }, '', 'required'],
      [{ ids: [] }, '/ids', 'too-few'],
      [{ ids: [pushId], filter: { code: 'x' } }, '/ids', 'not-allowed'],
      [{ ids: [pushId], all: true }, '/ids', 'not-allowed'],
      [{ all: true, filter: { code: 'x' } }, '/all', 'not-allowed'],
      [{ filter: { token: 'x' } }, '/filter/token', 'unknown-field'],
      [{ filter: { from: '2026-02-30T00:00:00Z' } }, '/filter/from', 'wrong-format'],
    ] as const) {
      for (const path of ['/dead-letters/replay', '/dead-letters/drop']) {
        const answer = await post(path, body);
        assert.equal(answer.statusCode, 400, JSON.stringify(body));
        assert.partialDeepStrictEqual(answer.json(), {
          code: 'invalid-request',
          errors: [{ pointer, code }],
        });
      }
    }
    assert.equal((await post('/dead-letters/replay', { all: true, ttlSeconds: 0 })).statusCode, 400);
    assert.equal((await post('/dead-letters/drop', { all: true, ttlSeconds: 60 })).statusCode, 400);
    assert.equal((await get('/dead-letters?state=accepted')).statusCode, 400);
    assert.equal((await get(`/dead-letters?cursor=${newId()}`)).statusCode, 400);
    assert.equal((await get('/dead-letters')).json().items.length, 1, 'nothing was done');
  });

  it('are an operator’s', async () => {
    await buried(one, 1);
    assert.equal((await get('/dead-letters', producer)).statusCode, 403);
    assert.equal((await get('/dead-letters/summary', producer)).statusCode, 403);
    assert.equal((await post('/dead-letters/replay', { all: true }, producer)).statusCode, 403);
    assert.equal((await post('/dead-letters/drop', { all: true }, producer)).statusCode, 403);
    assert.equal((await get('/dead-letters')).json().items.length, 1);
  });
});

describe('pushmill dead-letters', () => {
  async function run(...line: string[]) {
    const terminal = silentTerminal();
    const env = {
      PUSHMILL_URL: url,
      PUSHMILL_API_KEY: (operator.authorization as string).slice('Bearer '.length),
      PUSHMILL_DATA_DIR: '/nowhere',
    };
    await createProgram({ env, terminal }).parseAsync(['node', 'pushmill', 'dead-letters', ...line]);
    return terminal;
  }

  it('list sums up and shows the latest', async () => {
    await buried(one, 3);
    await buried(two, 1, { state: 'unknown', code: 'timeout' });
    const terminal = await run('list', '--limit', '2');
    const text = terminal.lines.join('\n');
    assert.match(text, /^one +scripted +BadTopic +3 +/m);
    assert.match(text, /^two +scripted +timeout +1 +/m);
    assert.match(text, /\.0 +two +unknown +timeout +the detail$/m);
    assert.deepEqual(terminal.notes, ['4 dead letters; 2 are shown.']);
    const { count, groups, items } = (await run('list', '--channel', 'one', '--json')).documents[0] as {
      count: number;
      groups: unknown[];
      items: unknown[];
    };
    assert.deepEqual([count, groups.length, items.length], [3, 1, 3]);
    assert.deepEqual((await run('list', '--code', 'none')).notes, ['There are no such dead letters.']);
  });

  it('replay and drop say how many, how many are left, and why', async () => {
    const cancelled = await buried(one, 2);
    await store.messages.cancel(appId, cancelled.id);
    await buried(one, 3);
    await buried(two, 1);
    const replayed = await run('replay', '--channel', 'one', '--ttl', '60');
    assert.deepEqual(replayed.lines, ['3 are queued again, 2 are left.']);
    assert.deepEqual(replayed.notes, ['2 cannot be sent again: their message was cancelled.']);
    const id = formatPushId({ messageId: cancelled.id, n: 1 });
    assert.deepEqual((await run('drop', id)).lines, ['1 are dropped, 0 are left.']);
    assert.deepEqual((await run('drop', '--all', '--json')).documents, [
      { dropped: 2, remaining: 0, more: false },
    ]);
  });

  it('replay and drop do nothing unless they are told which', async () => {
    await buried(one, 1);
    const id = formatPushId({ messageId: newId(), n: 0 });
    for (const line of [[], ['--all', '--code', 'x'], [id, '--all']]) {
      await assert.rejects(run('replay', ...line), /^CommandError: Say which/);
      await assert.rejects(run('drop', ...line), /^CommandError: Say which/);
    }
    assert.equal((await get('/dead-letters')).json().items.length, 1);
  });
});
