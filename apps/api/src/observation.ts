import type { Metrics } from '@pushmill/log';
import type { Api } from './server-types.ts';

const seconds = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 50_000];

/** Counts and times every request by route, and the groups that are stored together. */
export function observeRequests(app: Api, metrics: Metrics) {
  const duration = metrics.histogram(
    'pushmill_http_request_duration_seconds',
    'Time from the request to the end of its answer',
    ['method', 'route', 'status'],
    seconds,
  );
  const messages = metrics.histogram('pushmill_commit_messages', 'Messages stored by one commit', [], sizes);
  const pushes = metrics.counter('pushmill_pushes_accepted_total', 'Pushes taken into the ledger');

  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: String(reply.statusCode),
    };
    duration.observe(labels, reply.elapsedTime / 1_000);
  });

  return {
    group(group: { messages: number; pushes: number }): void {
      messages.observe(group.messages);
      pushes.inc(group.pushes);
    },
  };
}
