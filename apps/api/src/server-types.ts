import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { Secret } from '@pushmill/core';
import type { Logger, Metrics } from '@pushmill/log';
import type { Feeder } from '@pushmill/queue';
import type { Store } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { Acceptance } from './acceptance.ts';
import type { Authenticator } from './authentication.ts';
import type { Backlog } from './backlog.ts';
import type { BacklogBounds } from './backlog-bounds.ts';
import type { ChannelDirectory } from './channel-directory.ts';

/** A Fastify server whose route types come from the TypeBox schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What the api is given; `main.ts` opens it, tests bring their own. */
export interface ApiDeps {
  store: Store;
  feeder: Pick<Feeder, 'feed' | 'add' | 'room' | 'ready'>;
  vendors: Readonly<Record<string, Vendor>>;
  log: Logger;
  metrics: Metrics;
  settings: {
    /** Without a trailing slash. */
    publicReceiptsUrl: string;
    /** Without it there is no dashboard. */
    operatorPassword?: Secret | undefined;
    /** How much may wait before messages are refused; no bound where none is given. */
  } & Partial<BacklogBounds>;
}

/** What the routes share. */
export interface RouteDeps extends ApiDeps {
  authenticator: Authenticator;
  channels: ChannelDirectory;
  acceptance: Acceptance;
  backlog: Backlog;
}
