import type { MessageRow } from '@pushmill/store';
import { type MessageView, MessageViewSchema } from './message-schema.ts';
import { viewMessage } from './message-view.ts';
import { notFound } from './problem.ts';
import { problemAnswers, strict, Uuid } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const params = strict({ id: Uuid });
const response = { 200: MessageViewSchema, ...problemAnswers };

/** Cancelling, pausing and resuming what has not been sent. What is in flight at that moment may still arrive. */
export function messageControlRoutes(app: Api, deps: Pick<RouteDeps, 'store' | 'feeder'>): void {
  const { store } = deps;

  async function existing(appId: string, id: string): Promise<MessageRow> {
    const row = await store.messages.get(appId, id);
    if (!row) throw notFound('message with this id');
    return row;
  }

  /** A message of which nothing waits any more is answered as it is. */
  async function changeWaiting(
    { caller, params: { id } }: { caller: { appId: string }; params: { id: string } },
    change: (appId: string, id: string) => Promise<unknown>,
  ): Promise<MessageView> {
    const row = await existing(caller.appId, id);
    if (row.cancelledAt || !row.counts.queued) return viewMessage(row);
    await change(caller.appId, id);
    return viewMessage(await existing(caller.appId, id));
  }

  app.post(
    '/messages/:id/cancel',
    { schema: { tags: ['messages'], summary: 'Cancel what has not been sent', params, response } },
    async ({ caller: { appId }, params: { id } }) => {
      await store.messages.cancel(appId, id);
      return viewMessage(await existing(appId, id));
    },
  );

  app.post(
    '/messages/:id/pause',
    {
      schema: {
        tags: ['messages'],
        summary: 'Hold back what has not been sent',
        description: 'It still expires in its time.',
        params,
        response,
      },
    },
    (request) => changeWaiting(request, store.pauses.pause),
  );

  app.post(
    '/messages/:id/resume',
    { schema: { tags: ['messages'], summary: 'Go on with what was held back', params, response } },
    (request) =>
      changeWaiting(request, async (appId, id) => {
        const channelIds = await store.pauses.resume(appId, id);
        if (channelIds?.length) deps.feeder.feed(channelIds);
      }),
  );
}
