import type { AddressInfo } from 'node:net';
import { type Config, describeConfig, loadConfig } from '@pushmill/config';
import { createLogger, createMetrics, type Logger } from '@pushmill/log';
import { createFeeder } from '@pushmill/queue';
import { openStore } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import { buildApi } from './server.ts';

export interface ApiOptions {
  /** Connections to Postgres; a large message holds one for a second. */
  maxConnections?: number;
}

/** The process ends this long after SIGTERM, whatever still runs. */
const GRACE_MS = 25_000;

/** The api as a process: runs until SIGTERM, SIGINT or the death of its parent. */
export async function run(env: NodeJS.ProcessEnv, options: ApiOptions = {}): Promise<void> {
  const config = loadConfig(env);
  const log = createLogger({ role: 'api', level: config.logLevel });
  log.info({ config: describeConfig(config) }, 'api.starting');
  const api = await startApi(config, log, options);
  log.info({ port: api.port }, 'api.ready');
  process.send?.({ kind: 'ready', role: 'api', port: api.port });
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    process.once('disconnect', resolve);
  });
  log.info({}, 'api.stopping');
  const overdue = setTimeout(() => {
    log.error({ graceMs: GRACE_MS }, 'api.grace-over');
    process.exit(1);
  }, GRACE_MS);
  await api.close();
  clearTimeout(overdue);
  log.info({}, 'api.stopped');
  if (process.connected) process.disconnect?.();
}

/** Opens connections and listens; what was opened is closed in reverse. */
export async function startApi(
  config: Config,
  log: Logger,
  options: ApiOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const { maxConnections = 12 } = options;
  const store = openStore({ databaseUrl: config.databaseUrl, masterKeys: config.masterKey, maxConnections });
  const feeder = createFeeder({
    redisUrl: config.redisUrl,
    ledger: store.batches,
    warn: (fields, message) => log.warn(fields, message),
  });
  const close = async () => {
    await feeder.close();
    await store.close();
  };
  try {
    const server = await buildApi({
      store,
      feeder,
      vendors,
      log,
      metrics: createMetrics('api'),
      settings: config,
    });
    await server.listen({ host: config.host, port: config.port });
    const { port } = server.server.address() as AddressInfo;
    return {
      port,
      async close() {
        await server.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

if (import.meta.main) await run(process.env);
