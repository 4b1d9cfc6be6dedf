import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { Api } from './server-types.ts';

const csp =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** OpenAPI from the schemas that validate: /openapi.json, and a page of it at /docs with its files from here. */
export async function documentation(app: Api): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'pushmill',
        version: '1',
        description: [
          'Push delivery behind one message. Errors are RFC 9457 problem documents with a stable `code`:',
          '400 for what has the wrong form, 422 for what has the right form but cannot be done as things are.',
          'Times are ISO 8601 in UTC. Fields that a route does not know are refused, not ignored.',
        ].join(' '),
      },
      components: {
        securitySchemes: {
          key: { type: 'http', scheme: 'bearer', description: 'An API key' },
          operator: { type: 'http', scheme: 'basic', description: 'The dashboard; reads only' },
        },
      },
      security: [{ key: [] }, { operator: [] }],
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: csp,
    uiConfig: { url: '/openapi.json', validatorUrl: null },
  });
}

/** After all other routes. */
export function openApiRoute(app: Api): void {
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.send(app.swagger()));
}
