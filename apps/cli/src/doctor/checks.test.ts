import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import type { DatabaseInspection } from '@pushmill/store';
import type { RedisReply } from '../redis-dialog.ts';
import { checkChannels, type NamedChannel } from './channel-check.ts';
import { clockFinding } from './clock.ts';
import { addressOf, type Finding, reasonOf } from './finding.ts';
import { checkPostgres } from './postgres-check.ts';
import { type Callers, checkReceiptsUrl } from './receipts-url-check.ts';
import { checkRedis } from './redis-check.ts';
import { reportText } from './report.ts';
import { checkRole } from './role-check.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A server that answers everything the same. */
async function serving(status: number, body: string): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An address that was somebody's a moment ago. */
async function nobody(): Promise<string> {
  const url = await serving(200, '');
  const server = servers.pop() as Server;
  await new Promise((resolve) => server.close(resolve));
  return url;
}

const short = (findings: readonly Finding[]) => findings.map(({ check, state }) => `${check}: ${state}`);

describe('clockFinding', () => {
  for (const [aheadMs, state, detail] of [
    [0, 'ok', 'agrees with the clock here'],
    [1_000, 'ok', 'agrees with the clock here'],
    [-1_001, 'warning', '1.0 s behind the clock here'],
    [30_000, 'warning', '30.0 s ahead of the clock here'],
    [30_001, 'failed', '30.0 s ahead of the clock here'],
    [-90_000, 'failed', '90.0 s behind the clock here'],
  ] as const) {
    it(`of ${aheadMs} ms`, () => {
      const finding = clockFinding('Redis', aheadMs);
      assert.deepEqual([finding.state, finding.detail], [state, detail]);
      assert.equal(finding.remedy === undefined, state === 'ok');
    });
  }
});

describe('checkPostgres', () => {
  const good: DatabaseInspection = {
    version: '18.4',
    clockAheadMs: 0,
    readOnly: false,
    pending: [],
    unknown: [],
  };
  const url = 'postgres://user:the-password@db.example:5432/push';
  const check = (change: Partial<DatabaseInspection>) =>
    checkPostgres(url, async () => ({ ...good, ...change }));

  for (const [name, change, states, words, hasSchema] of [
    ['in order', {}, ['ok', 'ok', 'ok'], /18\.4 answers at db\.example:5432\/push$/, true],
    ['behind', { pending: ['0002_b'] }, ['ok', 'failed', 'ok'], /0002_b is not applied/, false],
    [
      'newer',
      { unknown: ['0009_z', '0010_y'] },
      ['ok', 'warning', 'ok'],
      /0009_z, 0010_y are not known/,
      true,
    ],
    ['a standby', { readOnly: true }, ['failed', 'ok', 'ok'], /takes no changes/, true],
    ['of another time', { clockAheadMs: -40_000 }, ['ok', 'ok', 'failed'], /40\.0 s behind/, true],
  ] as const) {
    it(`of a database that is ${name}`, async () => {
      const result = await check({ ...change } as Partial<DatabaseInspection>);
      assert.deepEqual(short(result.findings), [
        `Postgres: ${states[0]}`,
        `schema: ${states[1]}`,
        `clock of Postgres: ${states[2]}`,
      ]);
      assert.ok(result.findings.some(({ detail }) => words.test(detail)));
      assert.equal(result.hasSchema, hasSchema);
      assert.doesNotMatch(JSON.stringify(result), /the-password/);
    });
  }

  it('of one that refuses, in its own words', async () => {
    const { findings, hasSchema } = await checkPostgres(url, async () => {
      throw Object.assign(new Error('password authentication failed for user "user"'), { code: '28P01' });
    });
    assert.deepEqual(short(findings), ['Postgres: failed']);
    assert.match(String(findings[0]?.detail), /db\.example:5432\/push: password authentication failed/);
    assert.equal(hasSchema, false);
  });
});

describe('checkRedis', () => {
  const info = (changes: Record<string, string> = {}) =>
    Object.entries({
      redis_version: '7.0.15',
      role: 'master',
      maxmemory_policy: 'noeviction',
      aof_enabled: '1',
      ...changes,
    })
      .map(([name, value]) => `${name}:${value}`)
      .join('\r\n');
  const time = (aheadMs = 0): RedisReply => [String(Math.floor((Date.now() + aheadMs) / 1_000)), '0'];
  const check = (...replies: RedisReply[]) =>
    checkRedis('redis://:the-password@r.example:6379', async () => replies);

  for (const [name, replies, states, words] of [
    ['in order', [time(), info()], ['ok', 'ok', 'ok', 'ok'], /^7\.0\.15 answers at r\.example:6379$/],
    [
      'a Valkey',
      [time(), info({ valkey_version: '8.1.0' })],
      ['ok', 'ok', 'ok', 'ok'],
      /^Valkey 8\.1\.0 answers/,
    ],
    ['a replica', [time(), info({ role: 'slave' })], ['failed', 'ok', 'ok', 'ok'], /is a replica/],
    [
      'dropping keys',
      [time(), info({ maxmemory_policy: 'allkeys-lru' })],
      ['ok', 'failed', 'ok', 'ok'],
      /maxmemory-policy is allkeys-lru/,
    ],
    ['forgetful', [time(), info({ aof_enabled: '0' })], ['ok', 'ok', 'warning', 'ok'], /appendonly is off/],
    ['of another time', [time(60_000), info()], ['ok', 'ok', 'ok', 'failed'], /s ahead/],
  ] as const) {
    it(`of a Redis that is ${name}`, async () => {
      const findings = await check(...(replies as readonly RedisReply[]));
      assert.deepEqual(short(findings), [
        `Redis: ${states[0]}`,
        `Redis policy: ${states[1]}`,
        `Redis persistence: ${states[2]}`,
        `clock of Redis: ${states[3]}`,
      ]);
      assert.ok(findings.some(({ detail }) => words.test(detail)));
    });
  }

  it('of one that lets us ask nothing', async () => {
    const findings = await check(new Error('NOPERM'), new Error('NOPERM this user has no permissions'));
    assert.deepEqual(short(findings), ['Redis: failed']);
    assert.match(String(findings[0]?.detail), /NOPERM/);
  });
});

describe('checkRole', () => {
  it('believes what the role says of itself', async () => {
    const ready = await serving(200, '{"status":"ready","problems":[]}');
    const waiting = await serving(503, '{"status":"not ready","problems":["Redis does not answer"]}');
    const stranger = await serving(200, '<html>');
    assert.equal((await checkRole('api', ready, true)).state, 'ok');
    const notReady = await checkRole('api', waiting, false);
    assert.deepEqual([notReady.state, /Redis does not answer/.test(notReady.detail)], ['failed', true]);
    assert.match((await checkRole('api', stranger, false)).detail, /is not it \(HTTP 200\)/);
  });

  it('fails for want of an answer only where the role must be here', async () => {
    assert.equal((await checkRole('worker', await nobody(), true)).state, 'failed');
    assert.equal((await checkRole('worker', await nobody(), false)).state, 'skipped');
  });
});

describe('checkReceiptsUrl', () => {
  for (const [callers, state] of [
    ['vendors', 'warning'],
    [undefined, 'warning'],
    ['emulators', 'ok'],
    ['nobody', 'ok'],
  ] as const) {
    it(`not set, called back by ${callers}`, async () => {
      const findings = await checkReceiptsUrl(undefined, callers as Callers);
      assert.deepEqual(short(findings), [`public receipts URL: ${state}`]);
    });
  }

  const elsewhere = async () => ['203.0.113.7'];
  const checkAt = (url: string, addresses: string[], callers: Callers = 'vendors') =>
    checkReceiptsUrl(url, callers, async () => addresses);

  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.9',
    '172.31.0.1',
    '::1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ]) {
    it(`warns of ${address}`, async () => {
      const url = await serving(200, '{"status":"alive"}');
      const findings = await checkAt(url, ['203.0.113.7', address]);
      assert.ok(
        findings.some(({ state, detail }) => state === 'warning' && /vendors cannot reach it/.test(detail)),
      );
    });
  }

  it('warns of http, not of a demo’s', async () => {
    const url = await serving(200, '{"status":"alive"}');
    const [finding, ...others] = await checkReceiptsUrl(url, 'vendors', elsewhere);
    assert.deepEqual([finding?.state, others], ['warning', []]);
    assert.match(String(finding?.detail), /is not https/);
    assert.deepEqual(short(await checkAt(url, ['127.0.0.1'], 'emulators')), ['public receipts URL: ok']);
  });

  it('fails when nobody is there, and wonders about somebody else', async () => {
    const lost = await checkReceiptsUrl(await nobody(), 'emulators', elsewhere);
    assert.deepEqual([lost[0]?.state, /ECONNREFUSED/.test(String(lost[0]?.detail))], ['failed', true]);
    const other = await checkReceiptsUrl(await serving(404, 'no such page'), 'emulators', elsewhere);
    assert.deepEqual([other[0]?.state, /HTTP 404/.test(String(other[0]?.detail))], ['warning', true]);
  });

  it('says that a name leads nowhere', async () => {
    const unknown = 'https://receipts.invalid';
    const findings = await checkReceiptsUrl(unknown, 'vendors', async () => {
      throw new Error('ENOTFOUND');
    });
    assert.deepEqual(short(findings), ['public receipts URL: failed']);
  });
});

describe('checkChannels', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const after = (days: number) => new Date(now.getTime() + days * 86_400_000).toISOString();
  const channel = (change: Partial<NamedChannel['row']> = {}): NamedChannel => ({
    title: 'ios',
    row: {
      name: 'ios',
      vendor: 'apns',
      state: 'on',
      pausedReason: null,
      settings: {},
      credentialShown: { kind: 'token' },
      ...change,
    },
  });
  const paused = (by: 'pushmill' | 'operator') =>
    ({
      state: 'paused',
      pausedReason: { by, code: 'InvalidProviderToken', detail: 'The token is not valid.', at: after(-1) },
    }) as const;
  const expiring = (days: number) => ({ credentialShown: { kind: 'certificate', expiresAt: after(days) } });

  for (const [name, change, isDemo, states, words] of [
    ['in order', {}, false, ['ok'], /^apns, on$/],
    [
      'paused by its vendor',
      paused('pushmill'),
      false,
      ['failed'],
      /InvalidProviderToken: The token is not valid\./,
    ],
    [
      'paused by an operator',
      paused('operator'),
      false,
      ['warning'],
      /paused by an operator since 2026-11-21/,
    ],
    ['good for long', expiring(31), false, ['ok'], /on/],
    [
      'good for a month',
      expiring(29.5),
      false,
      ['warning'],
      /expires in 29 days \(2026-12-22T00:00:00\.000Z\)/,
    ],
    ['good for a day', expiring(0.5), false, ['warning'], /expires within a day/],
    ['over', expiring(-2), false, ['failed'], /expired 2 days ago/],
    ['paused and over', { ...paused('pushmill'), ...expiring(-2) }, false, ['failed', 'failed'], /expired/],
    ['an emulator’s', { settings: { emulator: true } }, false, ['warning'], /reaches an emulator/],
    ['an emulator’s in a demo', { settings: { emulator: true } }, true, ['ok'], /on/],
  ] as const) {
    it(`of a channel that is ${name}`, () => {
      const findings = checkChannels([channel(change)], { now, isDemo });
      assert.deepEqual(
        short(findings),
        states.map((state) => `channel ios: ${state}`),
      );
      assert.ok(
        findings.some(({ detail }) => words.test(detail)),
        JSON.stringify(findings),
      );
    });
  }

  it('of none', () => {
    assert.deepEqual(short(checkChannels([], { now, isDemo: false })), ['channels: skipped']);
  });
});

describe('the report', () => {
  it('is a table, and then what to do, said once', () => {
    const text = reportText([
      { check: 'a', state: 'ok', detail: 'fine' },
      { check: 'b', state: 'warning', detail: 'odd', remedy: 'Look.' },
      { check: 'b', state: 'failed', detail: 'bad', remedy: 'Look.' },
      { check: 'c', state: 'skipped', detail: 'elsewhere' },
    ]);
    assert.equal(
      text,
      [
        'what  how       in words',
        'a     good      fine',
        'b     WARNING   odd',
        'b     FAILED    bad',
        'c     not seen  elsewhere',
        '',
        'What to do:',
        '  b: Look.',
      ].join('\n'),
    );
  });

  it('has reasons in a word, and addresses without passwords', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
    assert.equal(reasonOf(new TypeError('fetch failed', { cause: refused })), 'ECONNREFUSED');
    assert.equal(reasonOf(new AggregateError([refused, new Error('x')])), 'ECONNREFUSED');
    assert.equal(reasonOf(new Error('in words')), 'in words');
    assert.equal(addressOf('postgres://u:p@h:1/d?sslmode=require'), 'h:1/d');
    assert.equal(addressOf('redis://:p@h:1/'), 'h:1');
  });
});
