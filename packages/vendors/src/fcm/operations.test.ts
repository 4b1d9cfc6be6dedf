import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Value } from 'typebox/value';
import { createAuthority } from '../authority.ts';
import type { Authority } from '../emulator.ts';
import type { OperationAnswer, Sender } from '../vendor.ts';
import { type Received, refusal, type Scene, type SceneChoice, stage as stageWith } from './fixtures.ts';
import { operations } from './operations.ts';

let authority: Authority;
before(async () => {
  authority = await createAuthority(new Date());
});
const stage = (choice: SceneChoice, act: (scene: Scene) => Promise<void>) =>
  stageWith(authority, choice, act);
const signal = new AbortController().signal;

async function run(sender: Sender, name: string, input = {}): Promise<OperationAnswer> {
  const schema = operations[name]?.input;
  assert.ok(schema && Value.Check(schema, input), 'the input is of the schema');
  return (await sender.operate?.(name, input, signal)) as OperationAnswer;
}

describe('verify', () => {
  test('proves account and project by a message that nobody gets', async () => {
    await stage({}, async ({ sender, google }) => {
      const { outcome, result } = await run(sender, 'verify');
      assert.equal(outcome.kind, 'accepted');
      assert.deepEqual(result, { projectId: 'demo-project', answer: '0:1' });
      const [{ json }, ...others] = google.of('messages:send') as [Received, ...Received[]];
      assert.equal(others.length, 0);
      assert.equal(json.validate_only, true);
      assert.deepEqual(Object.keys(json.message as object), ['topic', 'data']);
    });
  });

  test('tells what is wrong', async () => {
    const noPermission = () => refusal(403, 'PERMISSION_DENIED', 'no');
    const noProject = () => refusal(404, 'NOT_FOUND', 'no');
    const noKey = (): ReturnType<typeof refusal> => ({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'Invalid grant: account not found' },
    });
    for (const [pathEnd, reply, words] of [
      ['messages:send', noPermission, /may not send/],
      ['messages:send', noProject, /does not know this project/],
      ['/token', noKey, /account was deleted/],
    ] as const) {
      const script = ({ path }: Received) => (path.endsWith(pathEnd) ? reply() : undefined);
      await stage({ script }, async ({ sender }) => {
        const { outcome, result } = await run(sender, 'verify');
        assert.ok(outcome.kind === 'misconfigured');
        assert.match(outcome.detail, words);
        assert.equal(result, undefined);
      });
    }
  });
});

describe('subscriptions', () => {
  const input = { topic: '/topics/news', tokens: ['token-a', 'token-b', 'token-c'] };

  test('are made and ended by one call, with a bearer instead of a server key', async () => {
    await stage({}, async ({ sender, google }) => {
      assert.deepEqual((await run(sender, 'subscribe', input)).result, { changed: 3, refused: [] });
      assert.deepEqual((await run(sender, 'unsubscribe', input)).result, { changed: 3, refused: [] });
      const calls = google.received.filter(({ path }) => path.startsWith('/iid/'));
      assert.deepEqual(
        calls.map(({ path }) => path),
        ['/iid/v1:batchAdd', '/iid/v1:batchRemove'],
      );
      for (const { headers, json } of calls) {
        assert.equal(headers.access_token_auth, 'true');
        assert.equal(headers.authorization, 'Bearer ya29.1');
        assert.deepEqual(json, { to: '/topics/news', registration_tokens: input.tokens });
      }
    });
  });

  test('tell of each token what became of it, by its place', async () => {
    const script = ({ path }: Received) =>
      path.startsWith('/iid/')
        ? { status: 200, body: { results: [{ error: 'NOT_FOUND' }, {}, { error: 'token-c is odd' }] } }
        : undefined;
    await stage({ script }, async ({ sender }) => {
      const answer = await run(sender, 'subscribe', input);
      assert.equal(answer.outcome.kind, 'accepted');
      const { changed, refused } = answer.result as { changed: number; refused: Record<string, unknown>[] };
      assert.equal(changed, 1);
      assert.partialDeepStrictEqual(refused, [
        { index: 0, code: 'NOT_FOUND', isDead: true },
        { index: 2, code: 'UNKNOWN', isDead: false },
      ]);
      assert.ok(!JSON.stringify(answer).includes('token-'));
    });
  });

  test('that get another answer are not said to be done', async () => {
    const answers = [{ results: [{}] }, { results: 'x' }, {}];
    let next = 0;
    const script = ({ path }: Received) => {
      if (!path.startsWith('/iid/')) return undefined;
      next += 1;
      return { status: 200, body: answers[next - 1] };
    };
    await stage({ script }, async ({ sender }) => {
      for (const _ of answers) {
        const { outcome, result } = await run(sender, 'subscribe', input);
        assert.partialDeepStrictEqual(outcome, { kind: 'unavailable', code: 'unreadable-answer' });
        assert.equal(result, undefined);
      }
    });
  });

  test('of an emulator’s channel are never asked of Google', async () => {
    await stage({}, async ({ open, settings }) => {
      const { iidOrigin: _, ...without } = settings;
      const sender = open({ settings: { ...without, iidOrigin: undefined } as typeof settings });
      assert.equal((await run(sender, 'subscribe', input)).outcome.kind, 'rejected');
    });
  });

  test('take a thousand tokens at once, and a topic’s name', () => {
    const schema = operations.subscribe?.input;
    assert.ok(schema);
    const tokens = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`);
    assert.ok(Value.Check(schema, { topic: 'news', tokens: tokens(1_000) }));
    assert.ok(!Value.Check(schema, { topic: 'news', tokens: tokens(1_001) }));
    assert.ok(!Value.Check(schema, { topic: 'news', tokens: [] }));
    assert.ok(!Value.Check(schema, { topic: 'two words', tokens: tokens(1) }));
  });
});

test('an operation that does not exist is a mistake of the caller', async () => {
  await stage({}, async ({ sender }) => {
    await assert.rejects(async () => sender.operate?.('delete', {}, signal), TypeError);
  });
});
