import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createClient } from '@pushmill/client';
import pg from 'pg';
import { apnsCredential, apnsToken, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, producer, operator } = world;

before(async () => {
  const payload = {
    name: 'ios',
    vendor: 'apns',
    settings: { topic: 'com.example.app', environment: 'production' },
    credential: apnsCredential(),
  };
  const made = await api.inject({ method: 'POST', url: '/v1/channels', headers: operator, payload });
  assert.equal(made.statusCode, 201, made.body);
});

async function rowsOf<Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: world.databaseUrl, application_name: 'test' });
  await client.connect();
  return (await client.query<Row>(text, values).finally(() => client.end())).rows;
}

const hour = 3_600_000;
/** What clocks show in UTC, so long from now. */
const shown = (offsetMs: number) => new Date(Date.now() + offsetMs).toISOString().slice(0, 16);
/** Nine in the morning of the day after tomorrow, by UTC: still to come in every zone. */
const laterOn = `${shown(48 * hour).slice(0, 10)}T09:00`;

let made = 0;
/** Registers a device in each of the zones, all with the tag. */
async function devicesIn(zones: readonly (string | null)[], tag: string): Promise<void> {
  for (const timeZone of zones) {
    const payload = { channel: 'ios', token: apnsToken(), tags: [tag], timeZone };
    const url = `/v1/devices/device-${++made}`;
    const response = await api.inject({ method: 'PUT', url, headers: producer, payload });
    assert.equal(response.statusCode, 201, response.body);
  }
}

const send = (change: object) => {
  const payload = { notification: { title: 'Hi' }, class: 'marketing', ...change };
  return api.inject({ method: 'POST', url: '/v1/messages', headers: producer, payload });
};

async function taken(change: object) {
  const response = await send(change);
  assert.equal(response.statusCode, 202, response.body);
  const answer = response.json();
  const view = await api.inject({ url: `/v1/messages/${answer.id}`, headers: producer });
  return { ...answer, view: view.json() };
}

interface StoredPush {
  zone: string | null;
  kept: string | null;
  due: Date;
  ends: Date;
  batch: string;
  /** What Postgres makes of the local time in the device's zone. */
  expected: Date;
}

/** The pushes of a message as the ledger has them, with their batches and devices. */
async function stored(id: string, local = laterOn, elsewhere = 'UTC'): Promise<StoredPush[]> {
  return rowsOf<StoredPush>(
    `SELECT d.time_zone AS zone, p.time_zone AS kept, b.id AS batch, b.due_at AS due,
            coalesce(p.expires_at, m.expires_at) AS ends,
            $2::timestamp AT TIME ZONE coalesce(d.time_zone, $3) AS expected
     FROM messages m JOIN pushes p ON p.message_id = m.id
     CROSS JOIN batches b CROSS JOIN unnest(b.message_ids, b.ns) AS r (message_id, n)
     LEFT JOIN devices d ON d.token = p.token
     WHERE m.id = $1 AND r.message_id = p.message_id AND r.n = p.n ORDER BY b.due_at, p.n`,
    [id, local, elsewhere],
  );
}

describe('a message for a time of the devices’ own clocks', () => {
  const zones = ['Asia/Shanghai', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Kiritimati', null];

  it('is due in each zone when clocks show it there, and lives from then', async () => {
    await devicesIn([...zones, ...zones], 'each');
    const { id, state, pushes, rejected, view } = await taken({
      to: [{ tag: 'each' }, { channel: 'ios', token: apnsToken() }],
      sendAtLocal: laterOn,
      timeZone: 'Asia/Kathmandu',
      ttlSeconds: 900,
    });
    assert.deepEqual([state, pushes, rejected], ['scheduled', 11, []]);
    const found = await stored(id, laterOn, 'Asia/Kathmandu');
    assert.equal(found.length, 11);
    for (const { zone, due, ends, expected } of found) {
      assert.deepEqual(due, expected, String(zone));
      assert.equal(ends.getTime(), due.getTime() + 900_000, String(zone));
    }
    // Two devices of a zone travel together, and who has none with the token.
    assert.equal(new Set(found.map(({ batch }) => batch)).size, 5);
    const first = found[0]?.due as Date;
    assert.partialDeepStrictEqual(view, {
      state: 'scheduled',
      sendAt: first.toISOString(),
      expiresAt: new Date(first.getTime() + 900_000).toISOString(),
      sendAtLocal: laterOn,
      timeZone: 'Asia/Kathmandu',
      quietHours: null,
    });
    assert.ok(found.every(({ kept }) => kept === null));
  });

  it('leaves out devices where it has passed, or sends to them at once', async () => {
    await devicesIn(['Pacific/Kiritimati', 'Pacific/Kiritimati', 'UTC'], 'passed');
    const sendAtLocal = shown(6 * hour);
    const to = [{ tag: 'passed' }];
    const skipped = await taken({ to, sendAtLocal });
    assert.deepEqual(
      skipped.rejected.map((one: Record<string, unknown>) => [one.index, one.pointer, one.code, one.detail]),
      [
        [
          0,
          '/to/0/tag',
          'local-time-passed',
          'to.0.tag: sendAtLocal has passed where 2 devices are; not sent to.',
        ],
      ],
    );
    assert.deepEqual([skipped.pushes, skipped.state], [1, 'scheduled']);
    const all = await taken({ to, sendAtLocal, ifPassed: 'send-now' });
    assert.deepEqual([all.pushes, all.rejected, all.state, all.view.state], [3, [], 'queued', 'queued']);
    const due = (await stored(all.id, sendAtLocal)).map(({ zone, due, expected }) =>
      zone === 'UTC' ? due.getTime() === expected.getTime() : due.getTime() <= Date.now(),
    );
    assert.deepEqual(due, [true, true, true]);
  });

  it('is refused when it has passed for all', async () => {
    const to = [
      { channel: 'ios', token: apnsToken() },
      { channel: 'ios', tokens: [apnsToken(), apnsToken()] },
    ];
    const response = await send({ to, sendAtLocal: shown(6 * hour), timeZone: 'Pacific/Kiritimati' });
    assert.equal(response.statusCode, 422);
    const { code, errors } = response.json();
    assert.equal(code, 'nothing-sendable');
    assert.deepEqual(
      errors.map((one: Record<string, unknown>) => `${one.pointer} ${one.code}`),
      ['/to/0/token local-time-passed', '/to/1/tokens local-time-passed'],
    );
  });
});

describe('a message with quiet hours', () => {
  const quietHours = { from: shown(-hour).slice(11), to: shown(hour).slice(11) };

  it('waits for their end where they are, and is sent at once where they are not', async () => {
    await devicesIn(['UTC', 'Etc/GMT-6'], 'quiet');
    const { id, state, view } = await taken({ to: [{ tag: 'quiet' }], quietHours, ttlSeconds: 600 });
    assert.deepEqual(
      [state, view.state, view.sendAt, view.quietHours],
      ['queued', 'queued', null, quietHours],
    );
    const [awake, asleep] = await stored(id);
    assert.deepEqual(
      [awake?.zone, awake?.kept, asleep?.zone, asleep?.kept],
      ['Etc/GMT-6', 'Etc/GMT-6', 'UTC', 'UTC'],
    );
    assert.ok(awake && awake.due.getTime() <= Date.now());
    assert.ok(asleep && asleep.due.getTime() > Date.now() && asleep.due.getTime() <= Date.now() + hour);
    assert.equal(asleep.due.toISOString().slice(11), `${quietHours.to}:00.000Z`);
    for (const { due, ends } of [awake, asleep]) {
      assert.ok(Math.abs(ends.getTime() - due.getTime() - 600_000) < 10_000);
    }
  });

  it('is scheduled while all its devices sleep; so is one for a local time in them', async () => {
    const to = [{ channel: 'ios', token: apnsToken() }];
    const { state, view } = await taken({ to, quietHours });
    assert.deepEqual([state, view.state, view.timeZone], ['scheduled', 'scheduled', 'UTC']);
    assert.equal(view.sendAt.slice(11), `${quietHours.to}:00.000Z`);
    const day = laterOn.slice(0, 10);
    const later = { sendAtLocal: `${day}T23:30`, quietHours: { from: '23:00', to: '07:15' } };
    const { id } = await taken({ to, ...later, timeZone: 'Asia/Shanghai' });
    const [push] = await stored(id, later.sendAtLocal, 'Asia/Shanghai');
    assert.equal(push?.due.getTime(), push && push.expected.getTime() + 7.75 * hour);
  });
});

describe('what a message says of time', () => {
  const quietHours = { from: '22:00', to: '08:00' };
  const cases: [name: string, change: object, status: number, problem: string][] = [
    ['a moment with an offset', { sendAtLocal: `${laterOn}Z` }, 400, '/sendAtLocal wrong-format'],
    ['a day alone', { sendAtLocal: laterOn.slice(0, 10) }, 400, '/sendAtLocal wrong-format'],
    ['25 o’clock', { quietHours: { ...quietHours, to: '25:00' } }, 400, '/quietHours/to wrong-format'],
    ['half quiet hours', { quietHours: { from: '22:00' } }, 400, '/quietHours/to required'],
    ['another way out', { sendAtLocal: laterOn, ifPassed: 'tomorrow' }, 400, '/ifPassed not-allowed'],
    ['quiet codes', { class: 'transactional', quietHours }, 422, '/quietHours not-allowed'],
    [
      'a zone that is none',
      { sendAtLocal: laterOn, timeZone: 'Mars/Olympus' },
      422,
      '/timeZone wrong-format',
    ],
    ['31 November', { sendAtLocal: `${laterOn.slice(0, 4)}-11-31T09:00` }, 422, '/sendAtLocal wrong-format'],
    ['40 days', { sendAtLocal: shown(40 * 24 * hour) }, 422, '/sendAtLocal too-large'],
  ];
  for (const [name, change, status, problem] of cases) {
    it(`is refused: ${name}`, async () => {
      const response = await send({ to: [{ channel: 'ios', token: apnsToken() }], ...change });
      assert.equal(response.statusCode, status, response.body);
      const { pointer, code } = response.json().errors[0];
      assert.equal(`${pointer} ${code}`, problem);
    });
  }

  it('costs a message that goes by one clock nothing in the ledger', async () => {
    const to = [{ channel: 'ios', token: apnsToken() }];
    const { id, view } = await taken({ to, sendAt: new Date(Date.now() + hour).toISOString() });
    assert.deepEqual([view.sendAtLocal, view.quietHours, view.timeZone], [null, null, null]);
    const rows = await rowsOf(
      'SELECT local_time, time_zone, p.expires_at FROM messages m JOIN pushes p ON message_id = id WHERE id = $1',
      [id],
    );
    assert.deepEqual(rows, [{ local_time: null, time_zone: null, expires_at: null }]);
  });
});

describe('the client', () => {
  it('sends by local clocks', async () => {
    const url = await api.listen({ port: 0, host: '127.0.0.1' });
    const apiKey = (producer.authorization as string).replace('Bearer ', '');
    const client = createClient({ url, apiKey, maxRetries: 0 });
    const { id, state } = await client.messages.send({
      notification: { title: 'Sale' },
      class: 'marketing',
      to: [{ channel: 'ios', token: apnsToken() }],
      sendAtLocal: laterOn,
      ifPassed: 'send-now',
      timeZone: 'Asia/Shanghai',
      quietHours: { from: '22:00', to: '08:00' },
    });
    assert.equal(state, 'scheduled');
    const message = await client.messages.get(id);
    assert.equal(message.sendAtLocal, laterOn);
    assert.equal(message.sendAt, new Date(Date.parse(`${laterOn}:00+08:00`)).toISOString());
  });
});
