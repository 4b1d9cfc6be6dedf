import { isDeepStrictEqual } from 'node:util';
import type { ChannelRow } from '@pushmill/store';
import { type Static, Type } from 'typebox';
import type { Caller } from './authentication.ts';
import { mergePatch } from './channel-policy.ts';
import { createPreparation, mergeSettings, requireCredentialForNewAddress } from './channel-preparation.ts';
import {
  ChannelChangeSchema,
  ChannelName,
  createNewChannelFrame,
  createNewChannelSchema,
  PauseSchema,
  RotationSchema,
  ShownChannelSchema,
  viewChannel,
} from './channel-schema.ts';
import { notFound, ProblemError } from './problem.ts';
import { quotasToday } from './quota-view.ts';
import { pageOf, problemAnswers, strict } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';
import { validatorCompiler } from './validation.ts';

const tags = ['channels'];
const config = { role: 'operator' } as const;
const NamePath = strict({ name: ChannelName });
const answers = { 200: ShownChannelSchema, ...problemAnswers };
/** By then every worker has read a change, so that what is woken is not put off again by what it knew before. */
const WAKE_MS = 5_000;

export function channelRoutes(app: Api, deps: RouteDeps): void {
  const { store, vendors } = deps;
  const preparation = createPreparation(vendors);
  const viewDeps = { vendors, publicReceiptsUrl: deps.settings.publicReceiptsUrl };
  const Frame = createNewChannelFrame(vendors);

  async function view(rows: readonly ChannelRow[], caller: Caller) {
    const today = await quotasToday(rows, { quotas: store.quotas, now: Date.now() });
    return rows.map((row) => ({
      ...viewChannel(row, caller, viewDeps),
      quotaToday: today.get(row.id) ?? null,
    }));
  }

  async function viewOne(row: ChannelRow, caller: Caller) {
    const [shown] = await view([row], caller);
    return shown as Static<typeof ShownChannelSchema>;
  }

  /** The changed channel as an answer; this process sees the change at once. */
  async function changed(request: { caller: Caller }, row: ChannelRow | undefined) {
    if (!row) throw notFound('channel of this name');
    deps.channels.forget(request.caller.appId);
    return viewOne(row, request.caller);
  }

  async function existing(appId: string, name: string): Promise<ChannelRow> {
    const row = await store.channels.get(appId, name);
    if (!row) throw notFound('channel of this name');
    return row;
  }

  app.get(
    '/channels',
    {
      schema: {
        tags,
        summary: 'All channels',
        response: { 200: pageOf(ShownChannelSchema), ...problemAnswers },
      },
    },
    async (request) => {
      const items = await view(await store.channels.list(request.caller.appId), request.caller);
      return { items, nextCursor: null };
    },
  );

  app.get(
    '/channels/:name',
    { schema: { tags, summary: 'A channel', params: NamePath, response: answers } },
    async (request) => {
      const row = await existing(request.caller.appId, request.params.name);
      return viewOne(row, request.caller);
    },
  );

  app.post(
    '/channels',
    {
      config,
      validatorCompiler: ({ schema, httpPart }) =>
        validatorCompiler(httpPart === 'body' ? { schema: Frame, httpPart } : { schema, httpPart }),
      schema: {
        tags,
        summary: 'Add a channel: the credential is checked, sealed, and never shown again',
        body: createNewChannelSchema(vendors),
        response: { 201: ShownChannelSchema, ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { name, vendor, ...body } = request.body;
      const policy = body.policy && preparation.policy(body.policy);
      const settings = preparation.settings(vendor, body.settings ?? {});
      const { credential, shown } = await preparation.credential(vendor, body.credential, settings);
      const row = await store.channels.create({
        appId: request.caller.appId,
        name,
        vendor,
        settings,
        ...(policy === undefined ? {} : { policy }),
        credential,
        credentialShown: shown,
      });
      if (!row) {
        const detail = `name: the app has a channel ${name} already.`;
        throw new ProblemError('name-taken', detail, {
          errors: [{ pointer: '/name', code: 'taken', detail }],
        });
      }
      return reply.code(201).send(await changed(request, row));
    },
  );

  app.patch(
    '/channels/:name',
    {
      config,
      schema: {
        tags,
        summary: 'Change settings, policy or credential',
        params: NamePath,
        body: ChannelChangeSchema,
        response: answers,
      },
    },
    async (request) => {
      const { appId } = request.caller;
      const current = await existing(appId, request.params.name);
      const body = request.body;
      const settings = body.settings
        ? preparation.settings(current.vendor, mergeSettings(current.settings, body.settings))
        : current.settings;
      const policy = body.policy && preparation.policy(mergePatch(current.policy, body.policy));
      const given = body.credential;
      if (given === undefined) requireCredentialForNewAddress(current.settings, settings);
      const prepared =
        given === undefined ? undefined : await preparation.credential(current.vendor, given, settings);
      const row = await store.channels.update(appId, current.name, {
        ...(body.settings ? { settings } : {}),
        ...(policy ? { policy } : {}),
        ...(prepared ? { credential: prepared.credential, credentialShown: prepared.shown } : {}),
      });
      if (policy && !isDeepStrictEqual(policy.quota, current.policy.quota)) {
        await store.quotas.wake(current.id, WAKE_MS);
      }
      return changed(request, row);
    },
  );

  app.post(
    '/channels/:name/rotate',
    {
      config,
      schema: {
        tags,
        summary: 'Replace the credential; workers take it up within seconds',
        params: NamePath,
        body: RotationSchema,
        response: answers,
      },
    },
    async (request) => {
      const { appId } = request.caller;
      const current = await existing(appId, request.params.name);
      const { credential, shown } = await preparation.credential(
        current.vendor,
        request.body.credential,
        current.settings,
      );
      return changed(
        request,
        await store.channels.update(appId, current.name, { credential, credentialShown: shown }),
      );
    },
  );

  app.post(
    '/channels/:name/pause',
    {
      config,
      schema: {
        tags,
        summary: 'Pause: pushes are accepted and wait',
        params: NamePath,
        body: PauseSchema,
        response: answers,
      },
    },
    async (request) => {
      const detail = request.body.reason ?? 'paused by an operator';
      const reason = { code: 'operator', detail, by: 'operator' } as const;
      return changed(request, await store.channels.pause(request.caller.appId, request.params.name, reason));
    },
  );

  app.post(
    '/channels/:name/resume',
    { config, schema: { tags, summary: 'Resume', params: NamePath, response: answers } },
    async (request) => {
      const row = await store.channels.resume(request.caller.appId, request.params.name);
      if (row) deps.feeder.feed([row.id]);
      return changed(request, row);
    },
  );

  app.delete(
    '/channels/:name',
    {
      config,
      schema: {
        tags,
        summary: 'Remove: its name is free, what waits is not sent, late receipts are still taken',
        params: NamePath,
        response: { 204: Type.Null(), ...problemAnswers },
      },
    },
    async (request, reply) => {
      const { appId } = request.caller;
      if (!(await store.channels.remove(appId, request.params.name))) throw notFound('channel of this name');
      deps.channels.forget(appId);
      return reply.code(204).send(null);
    },
  );
}
