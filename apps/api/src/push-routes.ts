import { parsePushId, pushStates } from '@pushmill/core';
import { Type } from 'typebox';
import { moment } from './moment.ts';
import { notFound } from './problem.ts';
import { PushSchema, PushWithTimelineSchema, timelineOf, viewPush, viewTask } from './push-view.ts';
import { Limit, oneOf, PushId, pageOf, problemAnswers, strict, Time, toPage } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['pushes'];

export function pushRoutes(app: Api, { store }: RouteDeps): void {
  app.get(
    '/pushes/:id',
    {
      schema: {
        tags,
        summary: 'A push with its timeline',
        params: strict({ id: PushId }),
        response: { 200: PushWithTimelineSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const ref = parsePushId(request.params.id);
      const found = ref && (await store.pushes.get(request.caller.appId, ref));
      if (!found) throw notFound('push with this id');
      return {
        ...viewPush(found.push, request.caller),
        timeline: timelineOf(found),
        task: viewTask(found.task),
      };
    },
  );

  app.get(
    '/pushes',
    {
      schema: {
        tags,
        summary: 'Did it arrive? Pushes by token, user, channel, state, code and time; newest first',
        querystring: strict({
          token: Type.Optional(Type.String({ minLength: 1, maxLength: 4_096 })),
          user: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 256,
              description: 'To the tokens that their devices have now',
            }),
          ),
          channel: Type.Optional(Type.String({ maxLength: 64 })),
          vendor: Type.Optional(Type.String({ maxLength: 64 })),
          state: Type.Optional(oneOf(pushStates)),
          code: Type.Optional(Type.String({ maxLength: 256 })),
          from: Type.Optional(Time),
          to: Type.Optional(Time),
          cursor: Type.Optional(PushId),
          limit: Limit,
        }),
        response: { 200: pageOf(PushSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const { from, to, ...filter } = request.query;
      const page = await store.pushes.find(request.caller.appId, {
        ...filter,
        from: moment('/query/from', from),
        to: moment('/query/to', to),
      });
      return toPage(page, (row) => viewPush(row, request.caller));
    },
  );
}
