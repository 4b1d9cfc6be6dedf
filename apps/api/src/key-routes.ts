import type { ApiKey } from '@pushmill/store';
import { Type } from 'typebox';
import { notFound } from './problem.ts';
import { nullable, oneOf, pageOf, problemAnswers, strict, Time, toPage, Uuid } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['keys'];
const config = { role: 'operator' } as const;
const roles = ['producer', 'operator'] as const;

const KeySchema = strict({
  id: Uuid,
  name: Type.String(),
  role: oneOf(roles),
  createdAt: Time,
  revokedAt: nullable(Time),
});

export function keyRoutes(app: Api, { store, authenticator }: RouteDeps): void {
  app.get(
    '/keys',
    {
      config,
      schema: { tags, summary: 'All keys', response: { 200: pageOf(KeySchema), ...problemAnswers } },
    },
    async (request) => {
      const items = await store.keys.list(request.caller.appId);
      return toPage({ items, nextCursor: undefined }, viewKey);
    },
  );

  app.post(
    '/keys',
    {
      config,
      schema: {
        tags,
        summary: 'Make a key; it is shown this once',
        body: strict({ name: Type.String({ minLength: 1, maxLength: 100 }), role: oneOf(roles) }),
        response: {
          201: strict({ ...KeySchema.properties, key: Type.String() }),
          ...problemAnswers,
        },
      },
    },
    async (request, reply) => {
      const created = await store.keys.create({ appId: request.caller.appId, ...request.body });
      return reply.code(201).send({ ...viewKey(created), key: created.key });
    },
  );

  app.delete(
    '/keys/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Revoke a key: refused here at once, by other processes within a second',
        params: strict({ id: Uuid }),
        response: { 204: Type.Null(), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const revoked = await store.keys.revoke(request.caller.appId, request.params.id);
      authenticator.forget();
      if (!revoked) throw notFound('key with this id that is not revoked yet');
      return reply.code(204).send(null);
    },
  );
}

function viewKey(key: ApiKey) {
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    createdAt: key.createdAt.toISOString(),
    revokedAt: key.revokedAt?.toISOString() ?? null,
  };
}
