import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelRow } from '@pushmill/store';
import type { OperationAnswer, Vendor, VendorOperation } from '@pushmill/vendors';
import { type Static, Type } from 'typebox';
import { ChannelName } from './channel-schema.ts';
import { fieldsProblem, notFound, ProblemError } from './problem.ts';
import { maybe, oneOf, problemAnswers, strict } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';
import { type Check, createCheck } from './validation.ts';

const tags = ['channels'];
const config = { role: 'operator' } as const;

/** A worker that serves the channel looks for operations twice a second. */
const TAKE_MS = 8_000;
const ANSWER_MS = 60_000;
const LOOK_MS = 50;

const AnswerSchema = strict(
  {
    operation: Type.String(),
    ok: Type.Boolean({ description: 'Whether the vendor did it' }),
    kind: oneOf(['accepted', 'token-dead', 'rejected', 'misconfigured', 'throttled', 'unavailable']),
    code: maybe(Type.String({ description: 'The vendor’s word where it refused, or ours' })),
    detail: maybe(Type.String()),
    result: maybe(Type.Record(Type.String(), Type.Unknown())),
  },
  { description: 'What the vendor answered. A refusal is an answer too, so it is a 200 with ok: false.' },
);

export function operationRoutes(app: Api, deps: RouteDeps): void {
  const { store, vendors } = deps;
  const checks = new WeakMap<VendorOperation, Check>();

  function checkOf(operation: VendorOperation): Check {
    const known = checks.get(operation) ?? createCheck(operation.input);
    checks.set(operation, known);
    return known;
  }

  async function run(
    appId: string,
    channelName: string,
    operationName: string,
    input: Record<string, unknown>,
  ): Promise<Static<typeof AnswerSchema>> {
    const channel = await store.channels.get(appId, channelName);
    const vendor = channel && vendors[channel.vendor];
    if (!channel || !vendor) throw notFound('channel of this name');
    const operation = operationOf(vendor, operationName);
    const problems = checkOf(operation)(input);
    if (problems.length > 0) throw fieldsProblem('invalid-request', problems);
    const id = await store.operations.ask(channel.id, operationName, input);
    return viewAnswer(operationName, await answerTo(id, channel));
  }

  async function answerTo(id: string, channel: ChannelRow): Promise<OperationAnswer> {
    const askedAt = Date.now();
    for (;;) {
      const found = await store.operations.look(id);
      if (found?.answer) return found.answer as OperationAnswer;
      const waitedMs = Date.now() - askedAt;
      if (!found?.taken && waitedMs > TAKE_MS) {
        const detail = `No worker serves ${channel.vendor} channels: start one with "pushmill worker".`;
        throw new ProblemError('no-worker', detail);
      }
      if (waitedMs > ANSWER_MS) {
        throw new ProblemError(
          'no-answer',
          'The worker did not answer; the vendor may have done it all the same.',
        );
      }
      await delay(LOOK_MS);
    }
  }

  app.post(
    '/channels/:name/verify',
    {
      config,
      schema: {
        tags,
        summary: 'Prove the credential against the vendor, without a push',
        params: strict({ name: ChannelName }),
        body: strict({}, { default: {} }),
        response: { 200: AnswerSchema, ...problemAnswers },
      },
    },
    async (request) => run(request.caller.appId, request.params.name, 'verify', {}),
  );

  app.post(
    '/channels/:name/operations/:operation',
    {
      config,
      schema: {
        tags,
        summary: 'Have the vendor do something else than send; GET /v1/vendors lists what',
        params: strict({ name: ChannelName, operation: Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }) }),
        body: Type.Record(Type.String(), Type.Unknown(), {
          default: {},
          description: 'The operation’s input',
        }),
        response: { 200: AnswerSchema, ...problemAnswers },
      },
    },
    async (request) => run(request.caller.appId, request.params.name, request.params.operation, request.body),
  );
}

function operationOf(vendor: Vendor, name: string): VendorOperation {
  const operations = vendor.operations ?? {};
  if (Object.hasOwn(operations, name)) return operations[name] as VendorOperation;
  const known = Object.keys(operations).join(', ');
  const detail = known
    ? `${vendor.title} has no operation ${name}; it has: ${known}.`
    : `${vendor.title} has no operations.`;
  throw new ProblemError('not-found', detail);
}

function viewAnswer(operation: string, answer: OperationAnswer): Static<typeof AnswerSchema> {
  const { outcome, result } = answer;
  return {
    operation,
    ok: outcome.kind === 'accepted',
    kind: outcome.kind,
    code: 'code' in outcome ? outcome.code : null,
    detail: outcome.detail ?? null,
    result: result ?? null,
  };
}
