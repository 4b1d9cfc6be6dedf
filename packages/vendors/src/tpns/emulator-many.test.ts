import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { zipSync } from 'fflate';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import { type HandClient, handClient } from './by-hand.ts';
import { startTpnsEmulator, type TpnsEmulator } from './emulator.ts';
import { readTagTest } from './emulator-tags.ts';

let authority: Authority;
let emulator: TpnsEmulator;
let client: HandClient;
let clock = Date.UTC(2026, 0, 2);

before(async () => {
  authority = await createAuthority(new Date());
  client = handClient(authority);
  emulator = await startTpnsEmulator({ port: 0, authority, seed: 1, now: () => clock, windowSeconds: 0 });
});
after(() => emulator.close());
// One call a second to many.
beforeEach(() => {
  clock += 1_000;
});

type Fields = Record<string, unknown>;
const ask = (path: string, fields: Fields | string, channelName = 'tpns') =>
  client.ask(emulator, path, fields, { channelName });
/** A push to many, a second after the last. */
const push = (fields: Fields, channelName = 'tpns') => {
  clock += 1_000;
  const message = { title: `at ${clock}`, content: 'c' };
  return ask('/v3/push/app', { message_type: 'notify', message, ...fields }, channelName);
};
const plannedOf = async (pushId: unknown) => {
  const { body } = await ask('/v3/statistics/get_push_task_stat_channel', { pushId });
  const rows = body.pushStatDataAll as { channel: string; pushState: Record<string, number> }[];
  return rows.find(({ channel }) => channel === 'all')?.pushState.pushActiveUv;
};

describe('tag rules', () => {
  const item = (tags: string[], more: Fields = {}) => ({
    tags,
    is_not: false,
    tags_operator: 'OR',
    items_operator: 'OR',
    tag_type: 'xg_user_define',
    ...more,
  });
  const rule = (items: unknown[], more: Fields = {}) => ({
    tag_items: items,
    operator: 'OR',
    is_not: false,
    ...more,
  });
  const means = (rules: unknown, ...tags: string[]) => readTagTest({ tag_rules: rules })?.(new Set(tags));

  test('AND binds tighter than OR, between rules and between items', () => {
    const and = { operator: 'AND' };
    // a OR b AND c
    const rules = [rule([item(['a'])]), rule([item(['b'])]), rule([item(['c'])], and)];
    const items = [rule([item(['a']), item(['b']), item(['c'], { items_operator: 'AND' })])];
    for (const form of [rules, items]) {
      assert.deepEqual(
        [['a'], ['b'], ['c'], ['b', 'c'], []].map((tags) => means(form, ...tags)),
        [true, false, false, true, false],
      );
    }
    // a AND b OR c
    const other = [rule([item(['a'])]), rule([item(['b'])], and), rule([item(['c'])])];
    assert.deepEqual(
      [['a'], ['a', 'b'], ['c']].map((tags) => means(other, ...tags)),
      [false, true, true],
    );
  });

  test('the first operator of a row is ignored', () => {
    assert.equal(means([rule([item(['a'], { items_operator: 'AND' })], { operator: 'AND' })], 'a'), true);
  });

  test('not is not, of an item and of a rule', () => {
    const none = [rule([item(['a', 'b'], { is_not: true })])];
    assert.deepEqual([means(none, 'a'), means(none, 'c')], [false, true]);
    const notBoth = [rule([item(['a', 'b'], { tags_operator: 'AND' })], { is_not: true })];
    assert.deepEqual([means(notBoth, 'a', 'b'), means(notBoth, 'a')], [false, true]);
  });

  test('win over a list, which has 512 characters at most', () => {
    const list = { tags: ['z'], op: 'OR' };
    assert.equal(readTagTest({ tag_rules: [rule([item(['a'])])], tag_list: list })?.(new Set(['z'])), false);
    assert.equal(readTagTest({ tag_list: list })?.(new Set(['z'])), true);
    const long = { tags: Array(20).fill('x'.repeat(40)), op: 'OR' };
    assert.equal(readTagTest({ tag_list: long }), undefined);
  });

  test('that are malformed are refused', async () => {
    for (const tag_rules of [
      [],
      'a',
      [rule([])],
      [rule([item([])])],
      [rule([item(['x'.repeat(51)])])],
      [rule([item(['a'], { tag_type: 'colour' })])],
      [rule([item(['a', 'b'], { tags_operator: 'XOR' })])],
      [rule([item(['a'])]), rule([item(['b'])], { operator: undefined })],
      [rule([item(['a'], { is_not: 'no' })])],
    ]) {
      assert.equal(
        (await push({ audience_type: 'tag', tag_rules })).code,
        1008007,
        JSON.stringify(tag_rules),
      );
    }
  });

  test('reach tagged devices, each app its own', async () => {
    const [a, b] = [emulator.newToken(), emulator.newToken()];
    const tag = { operator_type: 7, tag_list: ['rules'], token_list: [a, b] };
    assert.deepEqual((await ask('/v3/device/tag', tag)).body, {
      ret_code: 0,
      err_msg: 'NO_ERROR',
      result: '[]',
    });
    const to = { audience_type: 'tag', tag_rules: [rule([item(['rules'])])] };
    assert.equal(await plannedOf((await push(to)).body.push_id), 2);
    assert.equal((await push({ ...to, environment: 'dev' }, 'tpns-ios')).code, 10010005);
  });
});

describe('devices', () => {
  test('a malformed call is refused with the code of its fault', async () => {
    const token = emulator.newToken();
    const tag = '/v3/device/tag';
    const accounts = '/v3/device/account/batchoperate';
    const account_list = [{ account: 'ann' }];
    const cases: [number, string, Fields | string][] = [
      [1008001, tag, '{'],
      [1008002, tag, {}],
      [1008007, tag, { operator_type: 11 }],
      [1008002, tag, { operator_type: 1 }],
      [1008002, tag, { operator_type: 1, token_list: [token] }],
      [1008007, tag, { operator_type: 7, token_list: Array(501).fill(token), tag_list: ['x'] }],
      [1008007, tag, { operator_type: 1, token_list: [token], tag_list: ['x'.repeat(51)] }],
      [1008006, tag, { operator_type: 1, token_list: ['short'], tag_list: ['x'] }],
      [1008002, tag, { operator_type: 9 }],
      [1008007, tag, { operator_type: 9, tag_token_list: Array(21).fill({ tag: 'x', token }) }],
      [1008007, tag, { operator_type: 9, tag_token_list: [['x', token]] }],
      [1008002, `${tag}/delete_all_device`, {}],
      [1008002, accounts, {}],
      [1008007, accounts, { operator_type: 6 }],
      [1008002, accounts, { operator_type: 2 }],
      [1008007, accounts, { operator_type: 2, token_accounts: Array(21).fill({ token, account_list }) }],
      [1008007, accounts, { operator_type: 2, token_accounts: [{ token, account_list: [] }] }],
      [1008002, accounts, { operator_type: 4 }],
      [1008002, accounts, { operator_type: 5 }],
      [1008007, accounts, { operator_type: 5, account_list: [{ account: 'x' }] }],
      [1008027, accounts, { operator_type: 2, token_accounts: [{ token: 'short', account_list }] }],
    ];
    for (const [code, path, fields] of cases) {
      assert.equal((await ask(path, fields)).code, code, `${path} ${JSON.stringify(fields).slice(0, 100)}`);
    }
  });

  test('of several targets the first counts where one is meant, and adding accounts replaces them', async () => {
    const [a, b] = [emulator.newToken(), emulator.newToken()];
    await ask('/v3/device/tag', { operator_type: 1, token_list: [a, b], tag_list: ['first', 'second'] });
    const planned = async (tag: string) => {
      const answer = await push({ audience_type: 'tag', tag_list: { tags: [tag], op: 'OR' } });
      return answer.code === 0 ? plannedOf(answer.body.push_id) : answer.code;
    };
    assert.deepEqual([await planned('first'), await planned('second')], [1, 10010005]);
    const bind = (operator_type: number, account: string) =>
      ask('/v3/device/account/batchoperate', {
        operator_type,
        token_accounts: [{ token: a, account_list: [{ account }] }],
      });
    await bind(2, 'old');
    await bind(1, 'new');
    const to = (account: string) => push({ audience_type: 'account', account_list: [account] });
    assert.deepEqual([(await to('old')).code, (await to('new')).code], [10010005, 0]);
  });
});

describe('an upload', () => {
  const upload = (
    part: { name?: string; fileName?: string; content: Uint8Array | string },
    type?: string,
  ) => {
    const { name = 'file', fileName = 'targets.zip', content } = part;
    const head = `--b\r\nContent-Disposition: form-data; name="${name}"; filename="${fileName}"\r\n\r\n`;
    const body = Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from('\r\n--b--\r\n')]);
    return client.ask(emulator, '/v3/push/package/upload', body, {
      headers: { 'content-type': type ?? 'multipart/form-data; boundary=b' },
    });
  };
  const lines = (...targets: string[]) => Buffer.from(targets.join('\r\n'));

  test('is a zip of one text, or such a text', async () => {
    const token = emulator.newToken();
    for (const part of [
      { content: zipSync({ 'a.txt': lines(token) }) },
      { content: zipSync({ 'a.csv': lines(token, '') }) },
      { fileName: 'a.txt', content: lines(token) },
    ]) {
      const { body } = await upload(part);
      const { retCode, errMsg, uploadId } = body;
      assert.deepEqual([retCode, errMsg, typeof uploadId], [0, 'NO_ERROR', 'number']);
      const answer = await push({ audience_type: 'package_token_push', upload_id: uploadId });
      assert.equal(await plannedOf(answer.body.push_id), 1);
    }
  });

  test('of anything else has the code of its fault', async () => {
    const zip = (files: Record<string, Uint8Array>) => ({ content: zipSync(files) });
    const cases: [number, Parameters<typeof upload>][] = [
      [1008001, [{ content: 'x' }, 'application/json']],
      [1008002, [{ name: 'data', content: 'x' }]],
      [1008012, [{ content: '' }]],
      [1008012, [zip({ 'a.txt': lines('') })]],
      [1008007, [{ fileName: 'a.exe', content: 'x' }]],
      [1008007, [{ fileName: `${'a'.repeat(97)}.zip`, content: 'x' }]],
      [1008011, [{ content: 'no zip' }]],
      [1008011, [zip({ 'a.txt': lines('x'), 'b.txt': lines('y') })]],
      [1008011, [zip({ 'folder/a.txt': lines('x') })]],
      [1008011, [{ fileName: 'a.txt', content: Buffer.from([0xff, 0xfe]) }]],
    ];
    for (const [code, about] of cases) {
      const { status, code: told } = await upload(...about);
      assert.deepEqual([status, told], [200, code], JSON.stringify(about).slice(0, 80));
    }
  });

  test('that is not there cannot be sent to', async () => {
    assert.equal((await push({ audience_type: 'package_account_push' })).code, 1008002);
    assert.equal((await push({ audience_type: 'package_account_push', upload_id: '1' })).code, 1008007);
    assert.equal((await push({ audience_type: 'package_account_push', upload_id: 1 })).code, 10010005);
  });

  test('has the limit of one push a second, and none on its content', async () => {
    const { body } = await upload({ fileName: 'a.txt', content: emulator.newToken() });
    const fields = {
      audience_type: 'package_token_push',
      upload_id: body.uploadId,
      message: { title: 't', content: 'c' },
    };
    assert.equal((await push(fields)).code, 0);
    assert.equal((await push(fields)).code, 0);
    clock -= 500;
    assert.equal((await push(fields)).code, 1008028);
  });
});

describe('options of calls to many', () => {
  const all = (more: Fields) => push({ audience_type: 'all', ...more });

  test('have their ranges', async () => {
    for (const [code, more] of [
      [1008007, { push_speed: 999 }],
      [1008007, { push_speed: 50_001 }],
      [0, { push_speed: 1_000 }],
      [1008007, { collapse_id: 'a' }],
      [1008007, { collapse_id: 123 }],
      [0, { collapse_id: 0 }],
      [10010012, { send_time: 'soon' }],
    ] as const) {
      assert.equal((await all(more)).code, code, JSON.stringify(more));
    }
  });

  test('a collapse id is one that was issued', async () => {
    const { body } = await all({});
    const record = await ask('/v3/statistics/get_push_record', { pushId: body.push_id });
    const [row] = record.body.pushRecordData as { collapseID: number }[];
    assert.equal((await all({ collapse_id: row?.collapseID })).code, 0);
  });

  test('a loop is a task a turn, and its times are spelt in two ways', async () => {
    const loop = { startDate: '2026-01-05', endDate: '2026-01-11', loopType: 1, loopDayIndexs: [0] };
    const times = ['09:00:00', '18:00:00'];
    const turns = async (loop_param: Fields) => {
      const { code, body } = await all({ loop_param });
      return code === 0 ? [body.push_id].flat().length : code;
    };
    assert.equal(await turns({ ...loop, dayTimes: times }), 14);
    assert.equal(await turns({ ...loop, DayTimes: times }), 14);
    assert.equal(await turns({ ...loop, loopType: 2, loopDayIndexs: [1, 3], dayTimes: times }), 4);
    assert.equal(await turns({ ...loop, loopType: 3, loopDayIndexs: [7], dayTimes: times }), 2);
    assert.equal(await turns({ ...loop }), 1008007);
    assert.equal(await turns({ ...loop, loopType: 4, dayTimes: times }), 1008007);
    assert.equal(await turns({ ...loop, endDate: '2026-01-04', dayTimes: times }), 1008016);
    assert.equal(await turns({ ...loop, endDate: '2026-06-01', dayTimes: times }), 1008016);
    assert.equal(await turns({ ...loop, startDate: '5 January', dayTimes: times }), 1008016);
  });

  test('belong to them alone: to a token they mean nothing', async () => {
    const to = {
      audience_type: 'token',
      token_list: [emulator.newToken()],
      push_speed: 1,
      send_time: 'soon',
    };
    assert.equal((await push(to)).code, 0);
  });
});

describe('statistics', () => {
  const record = '/v3/statistics/get_push_record';

  test('agree with themselves: the channels add up, iOS has APNs alone', async () => {
    const tokens = Array.from({ length: 5 }, () => emulator.newToken());
    for (const token of tokens.slice(0, 3)) emulator.plan(token, 'dropped');
    const { body } = await push({ audience_type: 'token_list', token_list: tokens });
    emulator.amend(String(body.push_id), { clicked: 1 });
    const counts = await ask('/v3/statistics/get_push_task_stat_channel', { pushId: body.push_id });
    type Row = { channel: string; pushState: Record<string, number> };
    const rows = counts.body.pushStatDataAll as Row[];
    const total = rows.find(({ channel }) => channel === 'all')?.pushState ?? {};
    const parts = rows.filter(({ channel }) => channel !== 'all');
    assert.deepEqual(
      parts.map(({ channel }) => channel),
      ['hw', 'xg'],
    );
    assert.equal(total.callbackVerifySvcUv, total.arrivalUv);
    for (const name of Object.keys(total).filter((key) => key !== 'callbackVerifySvcUv')) {
      assert.equal(
        total[name],
        parts.reduce((sum, { pushState }) => sum + (pushState[name] ?? 0), 0),
        name,
      );
    }
    const { pushActiveUv, pushOnlineUv, arrivalUv, clickUv } = total;
    assert.deepEqual([pushActiveUv, pushOnlineUv, arrivalUv, clickUv], [5, 5, 2, 1]);
    const ios = await push(
      { audience_type: 'token_list', token_list: tokens, environment: 'dev' },
      'tpns-ios',
    );
    const iosCounts = await ask(
      '/v3/statistics/get_push_task_stat_channel',
      { pushId: ios.body.push_id },
      'tpns-ios',
    );
    const iosRows = iosCounts.body.pushStatDataAll as Row[];
    assert.deepEqual(
      iosRows.map(({ channel }) => channel),
      ['apns', 'all'],
    );
    assert.ok(!('arrivalUv' in (iosRows[0]?.pushState ?? {})));
    // Another app's task is nobody's.
    assert.equal((await ask(record, { pushId: ios.body.push_id })).code, 1008015);
  });

  test('know a task for a month', async () => {
    const { body } = await push({ audience_type: 'token', token_list: [emulator.newToken()] });
    assert.equal((await ask(record, { pushId: body.push_id })).code, 0);
    clock += 32 * 86_400_000;
    assert.equal((await ask(record, { pushId: body.push_id })).code, 1008015);
  });

  test('are given 200 times an hour, each app for itself', async () => {
    clock += 3_600_000;
    for (let n = 0; n < 200; n += 1) assert.equal((await ask(record, { pushId: '1' })).code, 1008015);
    assert.equal((await ask(record, { pushId: '1' })).code, 1008028);
    assert.equal((await ask('/v3/statistics/get_push_task_stat_channel', { pushId: '1' })).code, 1008028);
    assert.equal((await ask(record, { pushId: '1' }, 'tpns-ios')).code, 1008015);
    assert.equal((await ask('/v3/toolbox/getPushListByToken', { token: 'x' })).code, 0, 'a limit of its own');
    clock += 3_600_000;
    assert.equal((await ask(record, { pushId: '1' })).code, 1008015);
  });
});
