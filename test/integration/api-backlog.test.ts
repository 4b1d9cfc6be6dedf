import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { createClient } from '@pushmill/client';
import pg from 'pg';
import { until } from '../e2e/until.ts';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const bound = 100;
const world = await useHttpWorld({ bounds: { maxBacklog: bound, maxUrgentAgeSeconds: 60 } });
const { api, producer, operator, store } = world;

const call = (method: 'POST' | 'PATCH' | 'GET', url: string, payload?: object, headers = operator) =>
  api.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });

before(async () => {
  for (const name of ['ios', 'ipad', 'watch']) {
    const made = await call('POST', '/v1/channels', {
      name,
      vendor: 'apns',
      settings: { topic: 'com.example.app' },
      credential: apnsCredential(),
    });
    assert.equal(made.statusCode, 201, made.body);
  }
});

/** A message of so many pushes. */
function body(count: number, channel = 'ios', change: object = {}) {
  const tokens = Array.from({ length: count }, apnsToken);
  return { notification: { title: 'Hi' }, class: 'marketing', to: [{ channel, tokens }], ...change };
}
const code = { class: 'transactional' };
const send = (message: object, headers: Record<string, string> = {}) =>
  call('POST', '/v1/messages', message, { ...producer, ...headers });
async function taken(message: object): Promise<string> {
  const response = await send(message);
  assert.equal(response.statusCode, 202, response.body);
  return response.json().id;
}
async function refused(message: object) {
  const response = await send(message);
  assert.equal(response.statusCode, 429, response.body);
  assert.equal(response.headers['content-type'], 'application/problem+json');
  assert.equal(response.json().code, 'too-much-waiting');
  return { ...response.json(), headers: response.headers } as {
    detail: string;
    retryAfterSeconds: number;
    headers: Record<string, string>;
  };
}

const degraded = async (): Promise<string[]> => {
  const ready = await call('GET', '/readyz');
  assert.equal(ready.statusCode, 200, ready.body);
  assert.equal(ready.json().status, 'ready');
  return ready.json().degraded;
};
async function gauge(name: string, channel: string, lane: string): Promise<number | undefined> {
  const { body } = await call('GET', '/metrics');
  const value = new RegExp(
    `^pushmill_backlog_${name}\\{channel="${channel}",lane="${lane}".*\\} (\\S+)$`,
    'm',
  );
  const found = value.exec(body)?.[1];
  return found === undefined ? undefined : Number(found);
}
/** The ledger was read a moment ago, so that nothing of what follows at once is counted twice. */
const nextReading = (pushes: number | undefined, channel = 'ios', lane = 'bulk') =>
  until(`${pushes} pushes of ${channel}`, async () => (await gauge('pushes', channel, lane)) === pushes);

/** Ends all that waits, as a worker that has sent it does. */
async function drain(): Promise<void> {
  const channels = (await store.channels.list((await store.apps.ensureDefault()).id)).map(({ id }) => id);
  // What is for later, or is tried again later, is for now.
  await sql('UPDATE batches SET due_at = now(), lease_until = NULL');
  await until('nothing to wait', async () => {
    await store.batches.takeDue(1_000, channels);
    for (const { id, run } of await store.batches.enqueuedUnheld(0, 1_000)) {
      const batch = await store.batches.claim(id, run, 60_000);
      if (batch) await store.batches.settle(batch, []);
    }
    return (await store.batches.backlog()).every(({ enqueued, waiting }) => enqueued + waiting === 0);
  });
  for (const name of ['ios', 'ipad', 'watch']) {
    for (const lane of ['bulk', 'urgent']) await nextReading(undefined, name, lane);
  }
  // What was taken since the reading began is kept beside it until the next one.
  await until('room again', async () => (await send(body(1))).statusCode === 202);
}

async function sql(text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: world.databaseUrl, application_name: 'test' });
  await client.connect();
  await client.query(text, values).finally(() => client.end());
}

const logged = (message: string) =>
  world.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === message);

describe('a burst beyond the bound', () => {
  it('is refused with the reason, and taken again when there is room', async () => {
    assert.deepEqual(await degraded(), []);
    await taken(body(10));
    await nextReading(10);
    const burst = await Promise.all(Array.from({ length: 30 }, () => send(body(10))));
    const [ok, no] = [202, 429].map((status) => burst.filter(({ statusCode }) => statusCode === status));
    assert.deepEqual([ok?.length, no?.length], [9, 21]);
    const stored = (await call('GET', '/v1/messages?limit=200')).json().items;
    assert.equal(stored.length, 10, 'nothing of a refused message is stored');

    const { detail, retryAfterSeconds, headers } = await refused(body(1));
    assert.equal(
      detail,
      'On all channels 100 pushes wait and 100 are allowed (PUSHMILL_MAX_BACKLOG), so nothing of the message was taken. Try again in 10 s.',
    );
    assert.equal(retryAfterSeconds, 10);
    assert.partialDeepStrictEqual(headers, {
      'retry-after': '10',
      'ratelimit-limit': '100',
      'ratelimit-remaining': '0',
      'ratelimit-reset': '10',
    });

    await until('readyz to say so', async () => (await degraded()).length > 0);
    assert.deepEqual(await degraded(), ['all channels: 100 pushes wait, 100 are allowed']);
    assert.equal((await call('GET', '/healthz')).json().status, 'alive');
    assert.equal(await gauge('pushes', 'ios', 'bulk'), 100);
    const [line, ...more] = logged('backlog.full');
    assert.partialDeepStrictEqual(line, { level: 'warn', waiting: 100, bound: 100 });
    assert.deepEqual(more, []);

    await drain();
    assert.deepEqual(await degraded(), []);
    await taken(body(10));
  });
});

describe('at the bound', () => {
  beforeEach(async () => {
    await drain();
    await taken(body(120));
    await refused(body(1));
  });

  it('transactional messages are taken: they overtake what waits', async () => {
    await taken(body(10, 'ios', code));
    await taken(body(90, 'ios', code));
    assert.match(
      (await refused(body(1, 'ios', code))).detail,
      /^On all channels 100 transactional pushes wait/,
    );
  });

  it('a message is let in by the side of the channel that is full, up to an even share', async () => {
    await taken(body(49, 'ipad'));
    await taken(body(1, 'ipad'));
    assert.match((await refused(body(1, 'ipad'))).detail, /^On all channels 1\d\d pushes wait and/);
  });

  it('a message of which one part has no room is refused as a whole', async () => {
    const message = { ...body(1), to: [...body(1, 'ipad').to, ...body(1, 'ios').to] };
    await refused(message);
    assert.equal((await call('GET', '/v1/messages?limit=1')).json().items[0].pushes, 120);
  });

  it('nothing is refused that is only asked about, and nothing that was taken before', async () => {
    assert.equal((await send({ ...body(1), validateOnly: true })).statusCode, 200);
    const [message, key] = [body(1, 'watch'), { 'idempotency-key': 'once' }];
    const first = await send(message, key);
    assert.equal(first.statusCode, 202, first.body);
    await taken(body(60, 'watch'));
    await refused(body(1, 'watch'));
    const second = await send(message, key);
    assert.equal(second.statusCode, 202, second.body);
    assert.equal(second.body, first.body);
    assert.equal((await send(body(2, 'watch'), key)).statusCode, 409);
  });

  it('each message of a batch is answered on its own', async () => {
    const messages = [body(1), body(1, 'watch')];
    const response = await call('POST', '/v1/messages/batch', { messages }, producer);
    const [no, ok] = response.json().items;
    assert.deepEqual([no.status, ok.status], [429, 202]);
    assert.partialDeepStrictEqual(no.problem, { code: 'too-much-waiting', retryAfterSeconds: 10 });
  });

  it('the client library comes again by itself', async () => {
    await api.listen({ host: '127.0.0.1', port: 0 });
    const waits: number[] = [];
    const client = createClient({
      url: api.listeningOrigin,
      apiKey: (producer.authorization as string).replace('Bearer ', ''),
      wait: async (ms) => {
        waits.push(ms);
        await drain();
      },
    });
    const accepted = await client.messages.send(body(3) as never);
    assert.equal(accepted.pushes, 3);
    assert.deepEqual(waits, [10_000]);
  });
});

describe('a bound of one channel', () => {
  const policy = (maxBacklog: number) => call('PATCH', '/v1/channels/watch', { policy: { maxBacklog } });

  it('holds for it alone, at once', async () => {
    await drain();
    assert.equal((await policy(20)).statusCode, 200);
    await taken(body(20, 'watch'));
    assert.equal(
      (await refused(body(1, 'watch'))).detail,
      'On the channel watch 20 pushes wait and 20 are allowed (maxBacklog of its policy), so nothing of the message was taken. Try again in 10 s.',
    );
    await taken(body(1, 'ios'));
    await until('readyz to say so', async () =>
      (await degraded()).includes('channel watch: 20 pushes wait, 20 are allowed'),
    );
    assert.ok(logged('backlog.full').some(({ channel }) => channel === 'watch'));
    assert.equal((await policy(21)).statusCode, 200);
    await taken(body(1, 'watch'));
    assert.equal((await policy(0)).statusCode, 400);
  });

  it('counts what waits because the channel or the message is paused', async () => {
    await drain();
    await policy(20);
    assert.equal((await call('POST', '/v1/channels/watch/pause')).statusCode, 200);
    const id = await taken(body(20, 'watch'));
    assert.equal((await call('POST', `/v1/messages/${id}/pause`)).json().state, 'paused');
    await nextReading(20, 'watch');
    const { detail, retryAfterSeconds } = await refused(body(1, 'watch'));
    assert.match(detail, /The channel watch is paused until a person resumes it\. Try again in 60 s\.$/);
    assert.equal(retryAfterSeconds, 60);
    await call('POST', `/v1/messages/${id}/resume`);
    await call('POST', '/v1/channels/watch/resume');
  });
});

describe('transactional pushes that are late', () => {
  const sinceTwoMinutes = `UPDATE batches SET due_at = now() - interval '120 s'`;
  // Or a minute more, where the machine is so slow that the ledger is read that rarely.
  const late = 'channel ios: transactional pushes have waited for 1';

  beforeEach(async () => {
    await drain();
    await taken(body(1, 'ios', code));
    await sql(sinceTwoMinutes);
    await until('readyz to say so', async () => (await degraded())[0]?.startsWith(late));
  });

  it('have marketing refused on their channel, and what would be over before its turn', async () => {
    assert.match(
      (await refused(body(1))).detail,
      /^On the channel ios transactional pushes have waited for 1\d\d s, so it takes no marketing now; try again in 30 s\.$/,
    );
    assert.match(
      (await refused(body(1, 'ios', { ...code, ttlSeconds: 90 }))).detail,
      /have waited for 1\d\d s, and this message would be over in 90 s; try again in 30 s\.$/,
    );
    await taken(body(1, 'ios', code));
    await taken(body(1, 'ipad'));
    await taken(body(1, 'ios', { sendAt: new Date(Date.now() + 3_600_000).toISOString() }));
    assert.ok(((await gauge('oldest_seconds', 'ios', 'urgent')) as number) >= 120);
    const [line, ...more] = logged('backlog.late');
    assert.partialDeepStrictEqual(line, { level: 'warn', channel: 'ios', boundSeconds: 60 });
    assert.deepEqual(more, []);
  });

  it('are not those of a paused channel', async () => {
    assert.equal((await call('POST', '/v1/channels/ios/pause')).statusCode, 200);
    await until('readyz to be content', async () => (await degraded()).length === 0);
    assert.ok(((await gauge('pushes', 'ios', 'urgent')) as number) >= 1);
    assert.equal(await gauge('oldest_seconds', 'ios', 'urgent'), 0);
    await taken(body(1));
    await call('POST', '/v1/channels/ios/resume');
  });

  it('are not those that a worker has in hand, or that wait for their next try', async () => {
    const lease = (until: string) => sql(`UPDATE batches SET lease_until = now() + ${until}`);
    await lease(`interval '60 s'`);
    await until('readyz to be content', async () => (await degraded()).length === 0);
    await lease(`interval '-1 s'`);
    await until('it to be late', async () => (await degraded()).length > 0);
    await sql(`UPDATE batches SET run = 1, due_at = now() + interval '60 s'`);
    await until('readyz to be content', async () => (await degraded()).length === 0);
    assert.ok(((await gauge('pushes', 'ios', 'urgent')) as number) >= 1, 'but they wait');
  });
});
