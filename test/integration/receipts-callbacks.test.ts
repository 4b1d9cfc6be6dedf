import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { describe, it } from 'node:test';
import { newId } from '@pushmill/core';
import { createLogger, createMetrics } from '@pushmill/log';
import { buildReceipts } from '@pushmill/receipts';
import { vendors } from '@pushmill/vendors';
import { apnsToken, mpaasChannel, mpaasFixture, useHttpWorld } from './http-setup.ts';

const world = await useHttpWorld();
const { api, operator, producer, receipts, store } = world;

const made = await api.inject({
  method: 'POST',
  url: '/v1/channels',
  headers: operator,
  payload: await mpaasChannel('china'),
});
assert.equal(made.statusCode, 201, made.body);
const callback = new URL(made.json().callbackUrl).pathname;
const vectors = JSON.parse((await mpaasFixture('vectors.json')).toString());
const privateKey = await mpaasFixture('test-only-private.pem');

/** As the vendor signs: over the bytes, base64 in the alphabet for addresses. */
function sign(body: Buffer): string {
  const standard = createSign('sha256').update(body).sign(privateKey, 'base64');
  return standard.replaceAll('+', '-').replaceAll('/', '_');
}

const post = (body: Buffer | string, query: string, path = callback, headers: Record<string, string> = {}) =>
  receipts.inject({
    method: 'POST',
    url: query === '' ? path : `${path}?${query}`,
    headers: { 'content-type': 'application/json', ...headers },
    payload: body,
  });
const postSigned = (body: object) => {
  const bytes = Buffer.from(JSON.stringify(body));
  return post(bytes, `sign=${sign(bytes)}`);
};
const listed = async (result: string) =>
  (await api.inject({ url: `/v1/receipts?result=${result}&limit=200`, headers: operator })).json().items;
const sendTo = async (...tokens: string[]): Promise<string> => {
  const response = await api.inject({
    method: 'POST',
    url: '/v1/messages',
    headers: producer,
    payload: {
      notification: { title: 'Hi', body: 'there' },
      class: 'transactional',
      to: [{ channel: 'china', tokens }],
    },
  });
  assert.equal(response.statusCode, 202, response.body);
  return response.json().id;
};
const pushOf = async (id: string) =>
  (await api.inject({ url: `/v1/pushes/${id}`, headers: producer })).json();
const acked = (pushId: string, token: string, more: object = {}) => ({
  extInfo: { osType: 'ios', adToken: token },
  msgId: pushId,
  targetId: token,
  pushSuccess: true,
  statusCode: '2',
  statusDesc: 'Acked',
  ...more,
});

describe('a proven callback', () => {
  it('moves its push, once', async () => {
    const token = apnsToken();
    const pushId = `${await sendTo(token)}.0`;
    const first = await postSigned(acked(pushId, token));
    assert.equal(first.statusCode, 200);
    assert.equal(first.body, 'success');
    const moved = await pushOf(pushId);
    assert.equal(moved.state, 'accepted');
    const receipt = moved.timeline.at(-1);
    assert.deepEqual(
      [receipt.type, receipt.state, receipt.verified, receipt.proof],
      ['receipt', 'accepted', true, 'signature'],
    );

    assert.equal((await postSigned(acked(pushId, token))).statusCode, 200);
    assert.deepEqual(await pushOf(pushId), moved);
    const taken = (await listed('taken')).filter((one: { pushId: string }) => one.pushId === pushId);
    assert.equal(taken.length, 1);
    assert.equal(taken[0].verified, true);
  });

  it('only ever moves it forward', async () => {
    const token = apnsToken();
    const pushId = `${await sendTo(token)}.0`;
    await postSigned(acked(pushId, token, { statusCode: '3', statusDesc: 'Clicked' }));
    await postSigned(acked(pushId, token));
    const push = await pushOf(pushId);
    assert.equal(push.state, 'clicked');
    assert.equal(push.timeline.filter((step: { type: string }) => step.type === 'receipt').length, 2);
  });

  it('is kept apart when it is about no push of ours', async () => {
    const token = apnsToken();
    const id = await sendTo(token);
    for (const body of [
      acked(`${newId()}.0`, token),
      acked(`${id}.7`, token),
      acked(`${id}.0`, apnsToken()), // another device
      acked('console_1584853300103', token),
    ]) {
      const before = (await listed('unmatched')).length;
      assert.equal((await postSigned(body)).statusCode, 200);
      assert.equal((await listed('unmatched')).length, before + 1);
    }
    assert.equal((await pushOf(`${id}.0`)).state, 'queued');
  });

  it('is kept apart when it cannot be read', async () => {
    const body = Buffer.from('not json');
    assert.equal((await post(body, `sign=${sign(body)}`)).statusCode, 200);
    const [last] = await listed('unreadable');
    assert.equal(last.channel, 'china');
    assert.equal(last.code, 'not-json');
  });

  it('may spell what is no text', async () => {
    const token = apnsToken();
    const pushId = `${await sendTo(token)}.0`;
    const answer = await postSigned(acked(pushId, token, { statusDesc: 'A\u0000b\ud800' }));
    assert.equal(answer.statusCode, 200);
    assert.equal((await pushOf(pushId)).state, 'accepted');
  });
});

describe('the published vectors', () => {
  it('verify in every form of the query', async () => {
    for (const vector of vectors.callbacks) {
      for (const query of [
        vector.queryPercentEncoded,
        `sign=${vector.signUrlSafePadded}`,
        `sign=${vector.signUrlSafeUnpadded}`,
        `sign=${encodeURIComponent(vector.signStandardBase64)}`,
      ]) {
        const answer = await post(Buffer.from(vector.body), query);
        assert.equal(answer.statusCode, 200, vector.name);
        assert.equal(answer.body, 'success');
      }
    }
    for (const { name, body, signAsReceived } of vectors.tolerant) {
      const query = `sign=${signAsReceived.replaceAll(' ', '%20')}`;
      assert.equal((await post(Buffer.from(body), query)).statusCode, 200, name);
    }
  });

  it('are refused where they must be, without a word, and leave a row', async () => {
    for (const { name, body, sign: signature } of vectors.mustReject) {
      const before = (await listed('refused')).length;
      const answer = await post(Buffer.from(body), `sign=${encodeURIComponent(signature)}`);
      assert.equal(answer.statusCode, 401, name);
      assert.equal(answer.body, '');
      const rows = await listed('refused');
      assert.equal(rows.length, before + 1, name);
      assert.equal(rows[0].channel, 'china');
    }
  });

  it('move the push that they name: the seed, for a push of our own', async () => {
    const seed = JSON.parse((await mpaasFixture('body.json')).toString());
    const pushId = `${await sendTo(seed.targetId)}.0`;
    const body = Buffer.from(JSON.stringify({ ...seed, msgId: pushId }, null, 4));
    assert.equal((await post(body, `sign=${sign(body)}`)).statusCode, 200);
    assert.equal((await pushOf(pushId)).state, 'accepted');
  });
});

describe('the address', () => {
  it('answers strangers all the same', async () => {
    const key = callback.split('/').at(-1) as string;
    const wrong = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
    const answers = await Promise.all(
      [
        `/callbacks/mpaas/${wrong}`,
        `/callbacks/apns/${key}`,
        `/callbacks/pigeon/${key}`,
        '/callbacks/mpaas/x',
        `/callbacks/mpaas/${'x'.repeat(500)}`,
        '/callbacks/__proto__/constructor',
        '/',
      ].map((path) => post('{}', 'sign=x', path)),
    );
    for (const answer of answers) assert.deepEqual([answer.statusCode, answer.body], [404, '']);
  });

  it('takes POST alone, of a size', async () => {
    const got = await receipts.inject({ method: 'GET', url: callback });
    assert.deepEqual([got.statusCode, got.headers.allow], [405, 'POST']);
    assert.equal((await post(Buffer.alloc(70_000), 'sign=x')).statusCode, 413);
  });

  it('does not care for the content type', async () => {
    const token = apnsToken();
    const pushId = `${await sendTo(token)}.0`;
    const body = Buffer.from(JSON.stringify(acked(pushId, token)));
    const query = `sign=${sign(body)}`;
    for (const type of ['text/plain', 'application/json; charset=GBK', 'nonsense']) {
      const answer = await post(body, query, callback, { 'content-type': type });
      assert.equal(answer.statusCode, 200, type);
    }
    const none = await receipts.inject({ method: 'POST', url: `${callback}?${query}`, payload: body });
    assert.equal(none.statusCode, 200);
  });

  it('keeps a bounded number of refused calls and counts the rest', async () => {
    await Promise.all(Array.from({ length: 100 }, (_, index) => post(`{"n":${index}}`, 'sign=AAAA')));
    assert.ok((await listed('refused')).length <= 61);
    const { body } = await receipts.inject({ url: '/metrics' });
    const counted = Number(
      /pushmill_callbacks_total\{vendor="mpaas",result="refused".*\} (\d+)/.exec(body)?.[1],
    );
    assert.ok(counted >= 100);
  });
});

describe('many callbacks at once', () => {
  it('are stored in few commits, each answered when it is stored', async () => {
    const tokens = Array.from({ length: 500 }, apnsToken);
    const id = await sendTo(...tokens);
    const answers = await Promise.all(tokens.map((token, n) => postSigned(acked(`${id}.${n}`, token))));
    assert.ok(answers.every(({ statusCode }) => statusCode === 200));
    const message = (await api.inject({ url: `/v1/messages/${id}`, headers: producer })).json();
    assert.deepEqual(message.counts, { accepted: 500 });
    const { body } = await receipts.inject({ url: '/metrics' });
    const groups = Number(/pushmill_commit_receipts_count\{[^}]*\} (\d+)/.exec(body)?.[1]);
    assert.ok(groups < 200, `${groups} commits`);
  });
});

describe('without the ledger', () => {
  it('answers 503, so that the vendor repeats', async () => {
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const cut = await buildReceipts({
      store: { ...store, receipts: { ...store.receipts, record: () => Promise.reject(away) } },
      vendors,
      log: createLogger({ role: 'test', level: 'silent' }),
      metrics: createMetrics('receipts'),
    });
    const body = Buffer.from(JSON.stringify(acked(`${newId()}.0`, apnsToken())));
    const answer = await cut.inject({
      method: 'POST',
      url: `${callback}?sign=${sign(body)}`,
      payload: body,
    });
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.headers['retry-after'], '2');
    await cut.close();
  });
});
