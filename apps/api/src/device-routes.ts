import { type DeviceRow, deviceStates } from '@pushmill/store';
import type { Static } from 'typebox';
import { Type } from 'typebox';
import type { Caller } from './authentication.ts';
import { checkDevice } from './device-check.ts';
import { DeviceId, DeviceSchema, DeviceToken, RegistrationSchema } from './device-schema.ts';
import { Name } from './message-schema.ts';
import { fieldsProblem, notFound } from './problem.ts';
import { shortToken } from './push-view.ts';
import { Limit, oneOf, pageOf, problemAnswers, strict, toPage } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['devices'];
const IdPath = strict({ id: DeviceId });

export function deviceRoutes(app: Api, deps: RouteDeps): void {
  const { store } = deps;

  app.put(
    '/devices/:id',
    {
      schema: {
        tags,
        summary:
          'Register a device, or register it again: at each start of the app, and when its token changes',
        description:
          'Replaces what was known of the device and makes it active. A token belongs to one device of a channel: the one that registered it last.',
        params: IdPath,
        body: RegistrationSchema,
        response: { 200: DeviceSchema, 201: DeviceSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { appId } = request.caller;
      const { id } = request.params;
      const body = request.body;
      const channel = (await deps.channels.of(appId, [body.channel])).get(body.channel);
      const problems = checkDevice(body, channel, channel && deps.vendors[channel.vendor]);
      if (!channel || problems.length > 0) throw fieldsProblem('invalid-device', problems);
      const { created, device } = await store.devices.put({
        appId,
        id,
        channelId: channel.id,
        token: body.token,
        environment: body.environment ?? null,
        user: body.user ?? null,
        tags: [...new Set(body.tags ?? [])],
        locale: body.locale ?? null,
        timeZone: body.timeZone ?? null,
      });
      return reply.code(created ? 201 : 200).send(viewDevice(device, request.caller));
    },
  );

  app.get(
    '/devices/:id',
    {
      schema: {
        tags,
        summary: 'A device',
        params: IdPath,
        response: { 200: DeviceSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const row = await store.devices.get(request.caller.appId, request.params.id);
      if (!row) throw notFound('device with this id');
      return viewDevice(row, request.caller);
    },
  );

  app.delete(
    '/devices/:id',
    {
      schema: {
        tags,
        summary: 'Forget a device',
        params: IdPath,
        response: { 204: Type.Null(), ...problemAnswers },
      },
    },
    async (request, reply) => {
      if (!(await store.devices.remove(request.caller.appId, request.params.id))) {
        throw notFound('device with this id');
      }
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/devices',
    {
      schema: {
        tags,
        summary: 'Devices by user, tag, channel, state and token; in the order of their ids',
        querystring: strict({
          user: Type.Optional(Name),
          tag: Type.Optional(Name),
          channel: Type.Optional(Type.String({ maxLength: 64 })),
          state: Type.Optional(oneOf(deviceStates)),
          token: Type.Optional(DeviceToken),
          cursor: Type.Optional(DeviceId),
          limit: Limit,
        }),
        response: { 200: pageOf(DeviceSchema), ...problemAnswers },
      },
    },
    async (request) =>
      toPage(await store.devices.list(request.caller.appId, request.query), (row) =>
        viewDevice(row, request.caller),
      ),
  );
}

/** The whole token to who knows it anyway, its ends to a person at a screen. */
function viewDevice(row: DeviceRow, caller: Caller): Static<typeof DeviceSchema> {
  const { createdAt, registeredAt, token, tags: own, ...device } = row;
  return {
    ...device,
    token: caller.via === 'key' ? token : shortToken(token),
    tags: [...own],
    createdAt: createdAt.toISOString(),
    registeredAt: registeredAt.toISOString(),
  };
}
