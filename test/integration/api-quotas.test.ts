import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calendarDay, type MessageClass } from '@pushmill/core';
import { until } from '../e2e/until.ts';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, store, operator, producer } = world;

const settings = { topic: 'com.example.app' };
/** Where it is about noon, so that no day ends while the tests run. The signs of these names are turned round. */
const hoursEast = 12 - new Date().getUTCHours();
const timeZone = `Etc/GMT${hoursEast >= 0 ? '-' : '+'}${Math.abs(hoursEast)}`;
const today = calendarDay(Date.now(), timeZone);
const quota = { timeZone, marketing: { perDay: 10 }, whenSpent: 'hold' };

async function call(method: 'GET' | 'POST' | 'PATCH', path: string, payload?: object, headers = operator) {
  const given = payload === undefined ? {} : { payload };
  const response = await api.inject({ method, url: `/v1${path}`, headers, ...given });
  return { status: response.statusCode, body: response.json() };
}

const add = (name: string, policy?: object) =>
  call('POST', '/channels', {
    name,
    vendor: 'apns',
    settings,
    credential: apnsCredential(),
    ...(policy ? { policy } : {}),
  });
const change = (name: string, policy: object) => call('PATCH', `/channels/${name}`, { policy });
const idOf = async (name: string) => (await call('GET', `/channels/${name}`)).body.id as string;

const message = (channel: string, count: number, changes: object = {}) => ({
  notification: { body: 'Sale' },
  class: 'marketing' as MessageClass,
  to: [{ channel, tokens: Array.from({ length: count }, apnsToken) }],
  ...changes,
});
const send = (body: object) => call('POST', '/messages', body, producer);
const forecast = (body: object) => send({ ...body, validateOnly: true });

/** As a worker that has so many pushes of a batch in hand. */
async function reserved(channelId: string, count: number) {
  // The api feeds the queue itself, and nobody works here.
  const due = await until('the job', async () =>
    (await store.batches.enqueuedUnheld(0, 100)).find((one) => one.channelId === channelId),
  );
  const batch = await store.batches.claim(due.id, due.run, 20_000);
  assert.ok(batch);
  await store.quotas.reserve(batch, {
    class: 'marketing',
    day: today.name,
    perDay: 10,
    perDevice: undefined,
    pushes: batch.pushes.slice(0, count),
  });
  return batch;
}

describe('a channel’s rate and quota', () => {
  it('are set when it is made, and shown with what is used', async () => {
    const made = await add('made', { ratePerSecond: 0.5, quota });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.deepEqual(made.body.policy, { ratePerSecond: 0.5, quota });
    assert.deepEqual(made.body.quotaToday, { transactional: null, marketing: { used: 0, perDay: 10 } });
    await send(message('made', 6));
    await reserved(made.body.id, 4);
    const shown = { transactional: null, marketing: { used: 4, perDay: 10 } };
    assert.deepEqual((await call('GET', '/channels/made')).body.quotaToday, shown);
    assert.equal((await add('free')).body.quotaToday, null);
    const { items } = (await call('GET', '/channels')).body;
    const listed = items.map((row: { name: string; quotaToday: unknown }) => [row.name, row.quotaToday]);
    assert.deepEqual(listed, [
      ['free', null],
      ['made', shown],
    ]);
  });

  it('are changed part by part, and taken out with null', async () => {
    await add('changed', { maxAttempts: 3 });
    const steps: [change: object, policy: object][] = [
      [
        { ratePerSecond: 100, quota },
        { maxAttempts: 3, ratePerSecond: 100, quota },
      ],
      [
        { quota: { transactional: { perDay: 5 }, perDevicePerDay: { marketing: 2 }, whenSpent: 'drop' } },
        {
          maxAttempts: 3,
          ratePerSecond: 100,
          quota: {
            ...quota,
            transactional: { perDay: 5 },
            perDevicePerDay: { marketing: 2 },
            whenSpent: 'drop',
          },
        },
      ],
      [
        { maxAttempts: null, ratePerSecond: null, quota: { marketing: null, perDevicePerDay: null } },
        { quota: { timeZone, transactional: { perDay: 5 }, whenSpent: 'drop' } },
      ],
      [{ quota: null }, {}],
    ];
    for (const [given, policy] of steps) {
      const changed = await change('changed', given);
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      assert.deepEqual(changed.body.policy, policy);
    }
    assert.equal((await call('GET', '/channels/changed')).body.quotaToday, null);
  });

  const bad: [name: string, policy: object, pointer: string, code: string][] = [
    ['a rate of nothing', { ratePerSecond: 0 }, '/policy/ratePerSecond', 'too-small'],
    ['too high a rate', { ratePerSecond: 100_001 }, '/policy/ratePerSecond', 'too-large'],
    ['no zone', { quota: { whenSpent: 'hold' } }, '/policy/quota/timeZone', 'required'],
    [
      'an unknown zone',
      { quota: { ...quota, timeZone: 'Asia/Peking' } },
      '/policy/quota/timeZone',
      'wrong-format',
    ],
    ['an offset', { quota: { ...quota, timeZone: '+08:00' } }, '/policy/quota/timeZone', 'wrong-format'],
    ['no word for the rest', { quota: { timeZone } }, '/policy/quota/whenSpent', 'required'],
    ['another word', { quota: { ...quota, whenSpent: 'burn' } }, '/policy/quota/whenSpent', 'not-allowed'],
    [
      'half a push',
      { quota: { ...quota, marketing: { perDay: 1.5 } } },
      '/policy/quota/marketing/perDay',
      'wrong-type',
    ],
    ['an unknown class', { quota: { ...quota, spam: { perDay: 1 } } }, '/policy/quota/spam', 'unknown-field'],
    [
      'no push to a device',
      { quota: { ...quota, perDevicePerDay: { marketing: 0 } } },
      '/policy/quota/perDevicePerDay/marketing',
      'too-small',
    ],
  ];
  for (const [name, policy, pointer, code] of bad) {
    it(`refuse ${name}`, async () => {
      await add('checked');
      for (const answer of [await add('new', policy), await change('checked', policy)]) {
        assert.equal(answer.status, 400, JSON.stringify(answer.body));
        assert.deepEqual([answer.body.errors[0].pointer, answer.body.errors[0].code], [pointer, code]);
      }
      assert.deepEqual((await call('GET', '/channels/checked')).body.policy, {});
    });
  }

  it('wake what waited for the next day when they change', async () => {
    await add('raised', { quota });
    await send(message('raised', 3));
    const id = await idOf('raised');
    const batch = await reserved(id, 0);
    const dueAt = new Date(today.endsAt);
    await store.batches.settle(batch, [{ dueAt, pushes: batch.pushes, isQuotaHeld: true }]);
    const dueSoon = () => store.quotas.waiting(id, 'bulk', new Date(Date.now() + 60_000), undefined);
    await change('raised', { maxAttempts: 3, quota: { marketing: { perDay: 10 } } });
    assert.equal(await dueSoon(), 0, 'nothing of the quota has changed');
    await change('raised', { quota: { marketing: { perDay: 20 } } });
    assert.equal(await dueSoon(), 3);
  });
});

describe('a forecast', () => {
  it('says what would fit beside what is used and waits', async () => {
    const { body } = await add('planned', { quota });
    await send(message('planned', 5));
    await reserved(body.id, 3);
    await send(message('planned', 1));
    await send(message('planned', 7, { class: 'transactional' }));
    const entry = {
      channel: 'planned',
      class: 'marketing',
      day: today.name,
      perDay: 10,
      used: 3,
      waiting: 3,
    };
    const answer = await forecast(message('planned', 9));
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual(answer.body.quota, [{ ...entry, wouldFit: 4, wouldNotFit: 5 }]);
    assert.equal(
      answer.body.detail,
      `planned: 4 of 9 fit and 5 would wait for the next day; of its 10 marketing pushes for ${today.name} (${timeZone}) 3 are used, and at most 3 others wait.`,
    );
    assert.deepEqual((await forecast(message('planned', 4))).body.quota, [
      { ...entry, wouldFit: 4, wouldNotFit: 0 },
    ]);
    assert.equal((await send(message('planned', 50))).status, 202, 'a quota refuses no message');
    const crowded = await forecast(message('planned', 2));
    assert.deepEqual(crowded.body.quota, [{ ...entry, waiting: 53, wouldFit: 0, wouldNotFit: 2 }]);
  });

  it('is for the day when the message is due', async () => {
    await add('later', { quota: { ...quota, whenSpent: 'drop' } });
    await send(message('later', 4));
    const sendAt = new Date(today.endsAt + 3_600_000).toISOString();
    await send(message('later', 2, { sendAt }));
    const { body } = await forecast(message('later', 9, { sendAt }));
    const { name: day } = calendarDay(today.endsAt, timeZone);
    assert.deepEqual(body.quota, [
      {
        channel: 'later',
        class: 'marketing',
        day,
        perDay: 10,
        used: 0,
        waiting: 2,
        wouldFit: 8,
        wouldNotFit: 1,
      },
    ]);
    assert.match(body.detail, /1 would be dropped/);
    assert.equal((await forecast(message('later', 1))).body.quota[0].waiting, 4);
  });

  it('is of the channels with a quota for the class, and of each', async () => {
    await add('one', { quota });
    await add('two', { quota: { ...quota, transactional: { perDay: 1 } } });
    await add('three');
    const to = ['one', 'two', 'three'].map((channel) => ({ channel, tokens: [apnsToken(), apnsToken()] }));
    const bulk = (await forecast(message('one', 1, { to }))).body;
    assert.deepEqual(
      bulk.quota.map((entry: { channel: string; wouldFit: number }) => [entry.channel, entry.wouldFit]),
      [
        ['one', 2],
        ['two', 2],
      ],
    );
    const urgent = (await forecast(message('one', 1, { to, class: 'transactional' }))).body;
    assert.deepEqual(
      urgent.quota.map((entry: { channel: string; wouldNotFit: number }) => [
        entry.channel,
        entry.wouldNotFit,
      ]),
      [['two', 1]],
    );
    const none = (await forecast(message('three', 1))).body;
    assert.deepEqual(none, { validateOnly: true, pushes: 1, rejected: [] });
  });

  it('comes with each message of many', async () => {
    await add('many', { quota });
    const messages = [
      message('many', 2, { validateOnly: true }),
      message('many', 12, { validateOnly: true }),
    ];
    const { body } = await call('POST', '/messages/batch', { messages }, producer);
    assert.deepEqual(
      body.items.map(
        (item: { message: { quota: { wouldNotFit: number }[] } }) => item.message.quota[0]?.wouldNotFit,
      ),
      [0, 2],
    );
  });
});
