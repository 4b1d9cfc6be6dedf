import { OverloadedError } from '@pushmill/core';
import type { Logger, Metrics } from '@pushmill/log';
import { isLedgerAway, type Store } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from 'fastify';
import { CallbackChannels } from './callback-channels.ts';
import { callbackRoute } from './callback-route.ts';
import { ReceiptRecorder } from './recorder.ts';
import { StrayBudget } from './stray-budget.ts';

export interface ReceiptsDeps {
  store: Store;
  vendors: Readonly<Record<string, Vendor>>;
  log: Logger;
  metrics: Metrics;
}

/** No vendor's callback is near this size. */
const BODY_LIMIT_BYTES = 65_536;
/** What Fastify can read; it refuses a body of anything else before its parsers are asked. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;
const STRAYS_PER_MINUTE = 60;
const PING_LIMIT_MS = 2_000;

/** The whole server, not listening yet. Closing it waits for what is being stored. */
export async function buildReceipts(deps: ReceiptsDeps): Promise<FastifyInstance> {
  const { store, vendors, log, metrics } = deps;
  const app = createServer(log);
  const callbacks = metrics.counter(
    'pushmill_callbacks_total',
    'Callbacks and their receipts by what became of them',
    ['vendor', 'result'],
  );
  const groups = metrics.histogram(
    'pushmill_commit_receipts',
    'Receipts stored by one commit',
    [],
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
  );
  const recorder = new ReceiptRecorder(store, (receipts) => groups.observe(receipts));
  app.addHook('onClose', () => recorder.drained());

  callbackRoute(app, {
    store,
    vendors,
    log,
    channels: new CallbackChannels(store),
    recorder,
    strays: new StrayBudget(STRAYS_PER_MINUTE),
    count: (vendor, result) => callbacks.inc({ vendor, result }),
  });
  app.get('/healthz', async () => ({ status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const ready = await answersInTime(store.ping());
    const problems = ready ? [] : ['Postgres does not answer'];
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', problems });
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  await app.ready();
  return app;
}

function createServer(log: Logger): FastifyInstance {
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // A child of a redacting logger costs more than the rest of a callback.
    childLoggerFactory: (logger) => logger,
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    // Vendors' readers take the query as it came.
    routerOptions: { maxParamLength: 256, querystringParser: () => ({}) },
    // An address that cannot be read is as unknown as any other.
    frameworkErrors: (_error, _request, reply) => {
      (reply as FastifyReply).code(404).type('text/plain; charset=utf-8').send('');
    },
  });
  // Bytes as they came, whatever they are called: the signature stands on them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async ({ headers }) => {
    const type = headers['content-type'];
    if (type === undefined || type === 'application/json') return;
    if (!MEDIA_TYPE.test(type)) headers['content-type'] = 'application/octet-stream';
  });

  // Whoever calls learns the status and nothing else.
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    reply.type('text/plain; charset=utf-8');
    const retryAfterMs = retryAfterMsOf(error);
    if (retryAfterMs !== undefined) {
      request.log.warn({ err: error }, 'receipts.not-stored');
      return reply
        .code(503)
        .header('retry-after', String(Math.ceil(retryAfterMs / 1_000)))
        .send('');
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send('');
    request.log.error({ err: error, route: request.routeOptions.url }, 'receipts.request-failed');
    return reply.code(500).send('');
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain; charset=utf-8').send(''));
  return app;
}

/** Undefined when coming again would not help. */
function retryAfterMsOf(error: unknown): number | undefined {
  if (error instanceof OverloadedError) return error.retryAfterMs;
  return isLedgerAway(error) ? 2_000 : undefined;
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
