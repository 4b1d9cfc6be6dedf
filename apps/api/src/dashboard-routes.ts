import { dashboardFiles } from '@pushmill/dashboard';
import type { FastifyReply } from 'fastify';
import { ProblemError } from './problem.ts';
import type { Api, RouteDeps } from './server-types.ts';

/** The page may load from here and talk to here, and nothing else; nothing inline, nobody may frame it. */
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/** The page and its files, for whoever knows the operator's password. It reads the same routes as everyone. */
export async function dashboardRoutes(app: Api, deps: RouteDeps): Promise<void> {
  const { settings, authenticator } = deps;
  const files = await dashboardFiles();

  app.addHook('onRequest', async (request, reply) => {
    if (!settings.operatorPassword) {
      throw new ProblemError('not-found', 'The dashboard is off: PUSHMILL_OPERATOR_PASSWORD is not set.');
    }
    if (authenticator.isOperator(request)) return;
    reply.header('www-authenticate', 'Basic realm="pushmill", charset="UTF-8"');
    throw new ProblemError('unauthenticated', 'The dashboard asks for the user operator and its password.');
  });

  for (const file of files) {
    app.get(file.path, { schema: { hide: true } }, async (_request, reply: FastifyReply) =>
      reply.headers(pageHeaders).type(file.contentType).send(file.body),
    );
  }

  app.get('/dashboard/apps', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({
      items: (await deps.store.apps.list()).map(({ name }) => ({ name })),
      nextCursor: null,
    }),
  );
}
