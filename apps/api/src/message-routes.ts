import { pushStates } from '@pushmill/core';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type Idempotency, takeMessage } from './message-intake.ts';
import {
  AcceptedSchema,
  CheckedSchema,
  createMessageSchema,
  type MessageBody,
  MessageViewSchema,
  maxBatchMessages,
} from './message-schema.ts';
import { viewMessage } from './message-view.ts';
import { fieldsProblem, notFound, ProblemError, problemOf } from './problem.ts';
import { PushSchema, viewPush } from './push-view.ts';
import { Cursor, Limit, oneOf, Problem, pageOf, problemAnswers, strict, toPage, Uuid } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';
import { createCheck, validatorCompiler } from './validation.ts';

const tags = ['messages'];
const IdPath = strict({ id: Uuid });
const idempotencyHeader = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x20-\\x7e]{1,255}$',
      description: 'The same key with the same body is answered the same and sent once; kept for two days',
    }),
  ),
});

export function messageRoutes(app: Api, deps: RouteDeps): void {
  const { store } = deps;
  const MessageSchema = createMessageSchema(deps.vendors);
  const checkMessageForm = createCheck(MessageSchema);

  app.post(
    '/messages',
    {
      schema: {
        tags,
        summary: 'Send a message',
        headers: idempotencyHeader,
        body: MessageSchema,
        response: { 200: CheckedSchema, 202: AcceptedSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const body = request.body as MessageBody;
      const taken = await takeMessage(body, request.caller.appId, idempotencyOf(request), deps);
      if (taken.kind === 'checked') return reply.code(200).send(taken.answer);
      if (taken.replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(202).send(taken.answer);
    },
  );

  app.post(
    '/messages/batch',
    {
      // Each message is answered on its own, so its form is checked on its own.
      validatorCompiler: ({ schema, httpPart }) =>
        validatorCompiler(httpPart === 'body' ? { schema: EnvelopeSchema, httpPart } : { schema, httpPart }),
      schema: {
        tags,
        summary: 'Send up to 1,000 messages, each answered on its own, in order',
        headers: idempotencyHeader,
        body: strict({ messages: Type.Array(MessageSchema, { minItems: 1, maxItems: maxBatchMessages }) }),
        response: { 200: BatchAnswerSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { messages } = request.body as { messages: unknown[] };
      const idempotency = idempotencyOf(request);
      const items = await Promise.all(
        messages.map(async (message, index) => {
          try {
            const problems = checkMessageForm(message);
            if (problems.length > 0) throw fieldsProblem('invalid-request', problems);
            // No key that a client can send holds a separator, so that none can meet these.
            const own = idempotency && { ...idempotency, key: `${idempotency.key}\u001f${index}` };
            const taken = await takeMessage(message as MessageBody, request.caller.appId, own, deps);
            if (taken.kind === 'checked') return { status: 200, message: taken.answer };
            return { status: 202, message: taken.answer, ...(taken.replayed ? { replayed: true } : {}) };
          } catch (error) {
            const problem = problemOf(error, 0);
            if (problem.statusCode >= 500) request.log.error({ err: error }, 'api.batch-item-failed');
            return { status: problem.statusCode, problem: problem.document() };
          }
        }),
      );
      return reply.send({ items });
    },
  );

  app.get(
    '/messages',
    {
      schema: {
        tags,
        summary: 'Messages, newest first',
        querystring: strict({ limit: Limit, cursor: Type.Optional(Uuid) }),
        response: { 200: pageOf(MessageViewSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      return toPage(await store.messages.list(request.caller.appId, { limit, cursor }), (row) =>
        viewMessage(row),
      );
    },
  );

  app.get(
    '/messages/:id',
    {
      schema: {
        tags,
        summary: 'A message and its pushes by state',
        params: IdPath,
        response: { 200: MessageViewSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const row = await store.messages.get(request.caller.appId, request.params.id);
      if (!row) throw notFound('message with this id');
      return viewMessage(row);
    },
  );

  app.get(
    '/messages/:id/pushes',
    {
      schema: {
        tags,
        summary: 'The pushes of a message, in the order of its recipients',
        params: IdPath,
        querystring: strict({
          state: Type.Optional(oneOf(pushStates)),
          vendor: Type.Optional(Type.String({ maxLength: 64 })),
          channel: Type.Optional(Type.String({ maxLength: 64 })),
          code: Type.Optional(Type.String({ maxLength: 256 })),
          cursor: Type.Optional(Cursor),
          limit: Limit,
        }),
        response: { 200: pageOf(PushSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const page = await store.pushes.ofMessage(caller.appId, params.id, request.query);
      // An empty page may mean that there is no such message; that is worth a question more.
      if (page.items.length === 0 && !(await store.messages.get(caller.appId, params.id))) {
        throw notFound('message with this id');
      }
      return toPage(page, (row) => viewPush(row, caller));
    },
  );
}

const EnvelopeSchema = strict({
  messages: Type.Array(Type.Unknown(), { minItems: 1, maxItems: maxBatchMessages }),
});

const BatchAnswerSchema = strict({
  items: Type.Array(
    strict({
      status: Type.Integer({ description: '202, 200 for validateOnly, or that of the problem' }),
      message: Type.Optional(Type.Union([AcceptedSchema, CheckedSchema])),
      problem: Type.Optional(Problem),
      replayed: Type.Optional(Type.Boolean()),
    }),
  ),
});

function idempotencyOf(request: FastifyRequest): Idempotency | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || request.bodyHash === undefined) return undefined;
  if (Array.isArray(key))
    throw new ProblemError('invalid-request', 'The header Idempotency-Key is given twice.');
  return { key, bodyHash: request.bodyHash };
}
