import { viewChannel } from './channel-schema.ts';
import { createLiveView } from './live-view.ts';
import { viewMessage } from './message-view.ts';
import { problemAnswers } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const SHOWN_MESSAGES = 30;

/** GET /events: the last messages with their counts, and the channels, whenever they change. */
export function eventRoutes(app: Api, deps: RouteDeps): void {
  const { store, vendors } = deps;
  const live = createLiveView({
    log: deps.log,
    async read(appId) {
      const [messages, channels] = await Promise.all([
        store.messages.list(appId, { limit: SHOWN_MESSAGES }),
        store.channels.list(appId),
      ]);
      // One view for all listeners of the app, so it holds only what each of them may see.
      const least = { appId, role: 'producer', via: 'password' } as const;
      const viewDeps = { vendors, publicReceiptsUrl: deps.settings.publicReceiptsUrl };
      return {
        messages: JSON.stringify(messages.items.map((row) => viewMessage(row))),
        channels: JSON.stringify(channels.map((row) => viewChannel(row, least, viewDeps))),
      };
    },
  });
  app.addHook('preClose', async () => live.close());

  app.get(
    '/events',
    {
      schema: {
        tags: ['events'],
        summary:
          'Server-sent events: `messages` (the last ones with counts) and `channels`, when they change',
        response: {
          200: {
            description: 'text/event-stream',
            content: { 'text/event-stream': { schema: { type: 'string' } } },
          },
          ...problemAnswers,
        },
      },
    },
    (request, reply) => {
      reply.hijack();
      live.attach(request.caller.appId, reply.raw);
    },
  );
}
