import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../e2e/until.ts';
import { useHttpWorld } from './http-setup.ts';
import { scriptedVendor } from './scripted-vendor.ts';

const { vendor } = scriptedVendor();
const world = await useHttpWorld({ vendors: { scripted: vendor } });
const { api, operator, producer, store } = world;

const post = (url: string, payload: object = {}, headers = operator) =>
  api.inject({ method: 'POST', url, headers, payload });

await post('/v1/channels', { name: 'one', vendor: 'scripted', credential: {} });

/** What a worker would do: takes the next operation and answers it. */
async function answerNext(answer: unknown): Promise<unknown> {
  const [channel] = await store.channels.list((await store.apps.ensureDefault()).id);
  let input: unknown;
  await until('the operation', async () => {
    const [taken] = await store.operations.take([channel?.id as string], 1);
    if (!taken) return false;
    input = taken.input;
    await store.operations.answer(taken.id, answer);
    return true;
  });
  return input;
}

describe('operations over HTTP', () => {
  it('prove a credential, and tell a refusal as an answer', async () => {
    const good = post('/v1/channels/one/verify');
    await answerNext({ outcome: { kind: 'accepted', detail: 'as good as gold' } });
    assert.deepEqual((await good).json(), {
      operation: 'verify',
      ok: true,
      kind: 'accepted',
      code: null,
      detail: 'as good as gold',
      result: null,
    });
    const bad = post('/v1/channels/one/verify');
    await answerNext({ outcome: { kind: 'misconfigured', code: 'BadKey', detail: 'No such key.' } });
    const answer = await bad;
    assert.equal(answer.statusCode, 200);
    assert.partialDeepStrictEqual(answer.json(), { ok: false, code: 'BadKey', detail: 'No such key.' });
  });

  it('hand the input on and the result back', async () => {
    const asked = post('/v1/channels/one/operations/greet', { name: 'Ada' });
    assert.deepEqual(await answerNext({ outcome: { kind: 'accepted' }, result: { said: 'hello' } }), {
      name: 'Ada',
    });
    assert.deepEqual((await asked).json().result, { said: 'hello' });
  });

  it('refuse what has the wrong form, is not there, or is not the caller’s to ask', async () => {
    const wrong = await post('/v1/channels/one/operations/greet', { nme: 'Ada' });
    assert.equal(wrong.statusCode, 400);
    assert.deepEqual(
      wrong.json().errors.map(({ pointer, code }: { pointer: string; code: string }) => [pointer, code]),
      [
        ['/name', 'required'],
        ['/nme', 'unknown-field'],
      ],
    );
    const unknown = await post('/v1/channels/one/operations/dance');
    assert.equal(unknown.statusCode, 404);
    assert.match(unknown.json().detail, /no operation dance; it has: verify, greet/);
    assert.equal((await post('/v1/channels/none/verify')).statusCode, 404);
    assert.equal((await post('/v1/channels/one/verify', {}, producer)).statusCode, 403);
  });

  it('say that no worker is there', { timeout: 30_000 }, async () => {
    const answer = await post('/v1/channels/one/verify');
    assert.equal(answer.statusCode, 504);
    assert.partialDeepStrictEqual(answer.json(), {
      code: 'no-worker',
      detail: 'No worker serves scripted channels: start one with "pushmill worker".',
    });
  });
});

describe('vendors over HTTP', () => {
  it('are described for whoever writes a form or a script', async () => {
    const list = (await api.inject({ url: '/v1/vendors', headers: producer })).json();
    assert.deepEqual(
      list.items.map(({ name }: { name: string }) => name),
      ['scripted'],
    );
    const one = (await api.inject({ url: '/v1/vendors/scripted', headers: producer })).json();
    assert.partialDeepStrictEqual(one, {
      title: 'Scripted',
      environments: ['here', 'there'],
      callsBack: false,
    });
    assert.deepEqual(
      one.operations.map(({ name }: { name: string }) => name),
      ['verify', 'greet'],
    );
    assert.equal((await api.inject({ url: '/v1/vendors/none', headers: producer })).statusCode, 404);
  });
});

describe('recipients that the vendor finds', () => {
  const send = (recipient: object) =>
    post(
      '/v1/messages',
      { class: 'marketing', notification: { body: 'Hi' }, to: [{ channel: 'one', ...recipient }] },
      producer,
    );
  const faults = async (recipient: object) => {
    const answer = await send(recipient);
    assert.equal(answer.statusCode, 422, answer.body);
    return answer
      .json()
      .errors.map(({ pointer, code }: { pointer: string; code: string }) => [pointer, code]);
  };

  it('are one push, shown with its audience', async () => {
    const answer = await send({ audience: { kind: 'all' } });
    assert.equal(answer.statusCode, 202, answer.body);
    const { id, pushes } = answer.json();
    assert.equal(pushes, 1);
    const page = await api.inject({ url: `/v1/messages/${id}/pushes`, headers: producer });
    assert.partialDeepStrictEqual(page.json().items[0], { token: '', audience: { kind: 'all' } });
  });

  it('are refused where they have the wrong form', async () => {
    assert.deepEqual(await faults({ audience: { kind: 'some' } }), [['/to/0/audience/kind', 'not-allowed']]);
    assert.deepEqual(await faults({ audience: { kind: 'all', tag: 'x' } }), [
      ['/to/0/audience/tag', 'unknown-field'],
    ]);
    assert.deepEqual(await faults({ audience: { kind: 'all' }, token: 't' }), [['/to/0/token', 'required']]);
    assert.deepEqual(await faults({ token: 't', environment: 'nowhere' }), [
      ['/to/0/environment', 'not-allowed'],
    ]);
  });
});
