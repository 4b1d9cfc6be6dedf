import { formatPushId, isUuid, parsePushId } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import { fieldsProblem } from './problem.ts';
import {
  Cursor,
  Limit,
  nullable,
  oneOf,
  PushId,
  PushStateName,
  pageOf,
  problemAnswers,
  strict,
  Time,
  toPage,
} from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const results = ['taken', 'refused', 'unreadable', 'unmatched'] as const;

const ReceiptSchema = strict({
  result: oneOf(results, {
    description:
      'taken: proven and matched; refused: not proven; unreadable: proven, of an unknown form; unmatched: no such push',
  }),
  receivedAt: Time,
  channel: Type.String(),
  vendor: Type.String(),
  code: Type.String(),
  detail: Type.String(),
  pushId: Type.Optional(PushId),
  state: Type.Optional(nullable(PushStateName)),
  proof: Type.Optional(Type.String()),
  verified: Type.Optional(Type.Boolean()),
});

export function receiptRoutes(app: Api, { store }: RouteDeps): void {
  app.get(
    '/receipts',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['receipts'],
        summary: 'Callbacks taken and refused, with the reason; newest first',
        querystring: strict({
          result: oneOf(results, { default: 'taken' }),
          cursor: Type.Optional(Cursor),
          limit: Limit,
        }),
        response: { 200: pageOf(ReceiptSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const { result, limit, cursor } = request.query;
      const fits = result === 'taken' ? parsePushId : isUuid;
      if (cursor !== undefined && !fits(cursor)) {
        const detail = 'cursor is of another list.';
        throw fieldsProblem('invalid-request', [{ pointer: '/query/cursor', code: 'wrong-format', detail }]);
      }
      const page = await store.receipts.list(request.caller.appId, { result, limit, cursor });
      return toPage(page, viewReceipt);
    },
  );
}

type Listed = Awaited<ReturnType<RouteDeps['store']['receipts']['list']>>['items'][number];

function viewReceipt(row: Listed): Static<typeof ReceiptSchema> {
  const { receivedAt, channel, vendor, code, detail } = row;
  const common = { receivedAt: receivedAt.toISOString(), channel, vendor, code, detail };
  if (row.result !== 'taken') return { result: row.result, ...common };
  const { state, proof } = row;
  return {
    result: 'taken',
    ...common,
    pushId: formatPushId(row),
    state,
    proof,
    verified: proof === 'signature',
  };
}
