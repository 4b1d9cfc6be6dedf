import Fastify, { type FastifyBaseLogger, type FastifyReply, LogController } from 'fastify';
import { Acceptance } from './acceptance.ts';
import { createAuthenticator, requireCaller } from './authentication.ts';
import { Backlog } from './backlog.ts';
import { ChannelDirectory } from './channel-directory.ts';
import { channelRoutes } from './channel-routes.ts';
import { dashboardRoutes } from './dashboard-routes.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import { deviceRoutes } from './device-routes.ts';
import { documentation, openApiRoute } from './documentation.ts';
import { eventRoutes } from './event-routes.ts';
import { healthRoutes } from './health-routes.ts';
import { readJsonBodies } from './json-body.ts';
import { keyRoutes } from './key-routes.ts';
import { messageControlRoutes } from './message-control-routes.ts';
import { messageRoutes } from './message-routes.ts';
import { observeRequests } from './observation.ts';
import { operationRoutes } from './operation-routes.ts';
import { notFound, problemContentType, problemOf } from './problem.ts';
import { pushRoutes } from './push-routes.ts';
import { receiptRoutes } from './receipt-routes.ts';
import type { Api, ApiDeps, RouteDeps } from './server-types.ts';
import { validatorCompiler } from './validation.ts';
import { vendorRoutes } from './vendor-routes.ts';

/** Room for a message to 50,000 APNs tokens; ten megabytes are refused before they are read. */
export const bodyLimitBytes = 5_000_000;

/** The whole server, not listening yet: tests inject into it. Closing it waits for what is being stored. */
export async function buildApi(deps: ApiDeps): Promise<Api> {
  const app = createServer(deps);
  const observation = observeRequests(app, deps.metrics);
  const { maxBacklog = Number.POSITIVE_INFINITY, maxUrgentAgeSeconds = Number.POSITIVE_INFINITY } =
    deps.settings;
  const routeDeps: RouteDeps = {
    ...deps,
    authenticator: createAuthenticator({
      store: deps.store,
      operatorPassword: deps.settings.operatorPassword,
    }),
    channels: new ChannelDirectory(deps.store),
    acceptance: new Acceptance({ ...deps, observe: observation.group }),
    backlog: new Backlog({ ...deps, bounds: { maxBacklog, maxUrgentAgeSeconds } }),
  };
  app.addHook('onClose', () => routeDeps.acceptance.drained());
  app.addHook('onClose', () => routeDeps.backlog.close());

  await documentation(app);
  await app.register(
    async (v1: Api) => {
      requireCaller(v1, routeDeps.authenticator);
      for (const routes of [
        messageRoutes,
        messageControlRoutes,
        pushRoutes,
        deviceRoutes,
        channelRoutes,
        operationRoutes,
        vendorRoutes,
        keyRoutes,
        receiptRoutes,
        deadLetterRoutes,
        eventRoutes,
      ]) {
        routes(v1, routeDeps);
      }
    },
    { prefix: '/v1' },
  );
  await app.register((pages: Api) => dashboardRoutes(pages, routeDeps));
  healthRoutes(app, routeDeps);
  openApiRoute(app);
  await app.ready();
  return app;
}

function createServer({ log }: ApiDeps): Api {
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    // One line for what failed, not two for what went well.
    logController: new LogController({ disableRequestLogging: true }),
    // A child of a redacting logger costs more than the rest of a small request; failures name their request.
    childLoggerFactory: (logger) => logger,
    bodyLimit: bodyLimitBytes,
    // Ends idle keep-alive connections at closing; busy ones are waited for.
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (_error, request, reply) => {
      const problem = notFound('such address');
      (reply as FastifyReply)
        .code(404)
        .type(problemContentType)
        .send(problem.document(pathOf(request.url).slice(0, 200)));
    },
    requestTimeout: 60_000,
    return503OnClosing: true,
  }) as unknown as Api;

  // Answers are checked by the compiler against their schemas; nothing is stripped or converted on the way out.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setValidatorCompiler(validatorCompiler as Parameters<Api['setValidatorCompiler']>[0]);
  // Before the routes: scopes keep the handler that they were made under.
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, bodyLimitBytes);
    if (problem.statusCode >= 500) {
      const level = problem.statusCode === 500 ? 'error' : 'warn';
      // The route and not the address: a query can hold a device token.
      request.log[level](
        { err: error, requestId: request.id, method: request.method, route: request.routeOptions.url },
        'api.request-failed',
      );
    }
    return reply
      .code(problem.statusCode)
      .headers(problem.headers)
      .type(problemContentType)
      .serializer(JSON.stringify)
      .send(problem.document(pathOf(request.url)));
  });
  app.setNotFoundHandler((request) => {
    throw notFound(`${request.method} ${pathOf(request.url).slice(0, 200)}`);
  });
  readJsonBodies(app as never);
  return app;
}

/** Without the query, which can hold a device token. */
function pathOf(url: string): string {
  return url.split('?', 1)[0] as string;
}
