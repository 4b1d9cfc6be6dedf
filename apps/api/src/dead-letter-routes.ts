import { formatPushId } from '@pushmill/core';
import { Type } from 'typebox';
import {
  DeadLetterSchema,
  DroppedSchema,
  DropSchema,
  filterFields,
  filterOf,
  ReplayedSchema,
  ReplaySchema,
  SummarySchema,
  selectionOf,
} from './dead-letter-schema.ts';
import { Limit, pageOf, problemAnswers, strict, TimedCursor, toPage } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['dead letters'];
const config = { role: 'operator' } as const;

export function deadLetterRoutes(app: Api, { store, feeder, log }: RouteDeps): void {
  app.get(
    '/dead-letters',
    {
      config,
      schema: {
        tags,
        summary: 'Pushes that were given up, with their last outcome; the latest first',
        querystring: strict({
          ...filterFields,
          cursor: Type.Optional(TimedCursor),
          limit: Limit,
        }),
        response: { 200: pageOf(DeadLetterSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const { cursor, limit, ...fields } = request.query;
      const filter = { ...filterOf(fields, '/query'), cursor, limit };
      const page = await store.deadLetters.list(request.caller.appId, filter);
      return toPage(page, ({ messageId, n, at, ...letter }) => ({
        pushId: formatPushId({ messageId, n }),
        ...letter,
        at: at.toISOString(),
      }));
    },
  );

  app.get(
    '/dead-letters/summary',
    {
      config,
      schema: {
        tags,
        summary: 'How many there are, by channel and code',
        querystring: strict(filterFields),
        response: { 200: SummarySchema, ...problemAnswers },
      },
    },
    async (request) => {
      const found = await store.deadLetters.summary(request.caller.appId, filterOf(request.query, '/query'));
      const groups = found.map((group) => ({
        ...group,
        oldestAt: group.oldestAt.toISOString(),
        newestAt: group.newestAt.toISOString(),
      }));
      return { count: groups.reduce((sum, group) => sum + group.count, 0), groups };
    },
  );

  app.post(
    '/dead-letters/replay',
    {
      config,
      schema: {
        tags,
        summary: 'Send them again: the same pushes, with all their attempts anew',
        description:
          'At most 10,000 a request, the longest given up first. A push in the state unknown may have arrived: sent again, it may arrive twice.',
        body: ReplaySchema,
        response: { 200: ReplayedSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const { appId } = request.caller;
      const { ttlSeconds } = request.body;
      const { channelIds, ...answer } = await store.deadLetters.replay(appId, selectionOf(request.body), {
        ttlSeconds,
      });
      feeder.feed(channelIds);
      log.info({ appId, ...answer }, 'dead-letters.replayed');
      return answer;
    },
  );

  app.post(
    '/dead-letters/drop',
    {
      config,
      schema: {
        tags,
        summary: 'Forget them; their pushes stay as they are',
        description: 'At most 10,000 a request, the longest given up first.',
        body: DropSchema,
        response: { 200: DroppedSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const { appId } = request.caller;
      const answer = await store.deadLetters.drop(appId, selectionOf(request.body));
      log.info({ appId, ...answer }, 'dead-letters.forgotten');
      return { ...answer, more: answer.remaining > 0 };
    },
  );
}
