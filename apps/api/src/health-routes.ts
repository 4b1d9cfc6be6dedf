import { Type } from 'typebox';
import { oneOf, strict } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['operation'];
const PING_LIMIT_MS = 2_000;
const ReadySchema = strict({
  status: oneOf(['ready', 'not ready']),
  problems: Type.Array(Type.String(), { description: 'Why it is not ready' }),
  degraded: Type.Array(Type.String(), {
    description: 'What is full or late: some messages are refused with 429, all else works',
  }),
});

export function healthRoutes(
  app: Api,
  deps: Pick<RouteDeps, 'store' | 'feeder' | 'metrics' | 'backlog'>,
): void {
  app.get(
    '/healthz',
    {
      schema: {
        tags,
        security: [],
        summary: 'The process lives',
        response: { 200: strict({ status: Type.Literal('alive') }) },
      },
    },
    async () => ({ status: 'alive' as const }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        tags,
        security: [],
        summary: 'Postgres and Redis answer',
        description: 'While only Redis is away, messages are still taken: they wait in the ledger.',
        response: { 200: ReadySchema, 503: ReadySchema },
      },
    },
    async (_request, reply) => {
      const problems = [
        ...((await answersInTime(deps.store.ping())) ? [] : ['Postgres does not answer']),
        ...(deps.feeder.ready() ? [] : ['Redis does not answer']),
      ];
      const ready = problems.length === 0;
      const { degraded } = deps.backlog;
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ready' : 'not ready', problems, degraded });
    },
  );

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(deps.metrics.contentType).send(await deps.metrics.text()),
  );
}

async function answersInTime(ping: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PING_LIMIT_MS);
  });
  const answered = ping.then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}
