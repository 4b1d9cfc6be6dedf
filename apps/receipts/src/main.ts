import type { AddressInfo } from 'node:net';
import { type Config, describeConfig, loadConfig } from '@pushmill/config';
import { createLogger, createMetrics, type Logger } from '@pushmill/log';
import { openStore } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import { buildReceipts } from './server.ts';

export interface ReceiptsOptions {
  /** Connections to Postgres; receipts are stored over one, the others find channels and keep strays. */
  maxConnections?: number;
}

/** The process ends this long after SIGTERM, whatever still runs. */
const GRACE_MS = 25_000;

/** The receipts service as a process: runs until SIGTERM, SIGINT or the death of its parent. */
export async function run(env: NodeJS.ProcessEnv, options: ReceiptsOptions = {}): Promise<void> {
  const config = loadConfig(env);
  const log = createLogger({ role: 'receipts', level: config.logLevel });
  log.info({ config: describeConfig(config) }, 'receipts.starting');
  const receipts = await startReceipts(config, log, options);
  log.info({ port: receipts.port }, 'receipts.ready');
  process.send?.({ kind: 'ready', role: 'receipts', port: receipts.port });
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    process.once('disconnect', resolve);
  });
  log.info({}, 'receipts.stopping');
  const overdue = setTimeout(() => {
    log.error({ graceMs: GRACE_MS }, 'receipts.grace-over');
    process.exit(1);
  }, GRACE_MS);
  await receipts.close();
  clearTimeout(overdue);
  log.info({}, 'receipts.stopped');
  if (process.connected) process.disconnect?.();
}

/** Opens the ledger and listens; what was opened is closed in reverse. */
export async function startReceipts(
  config: Config,
  log: Logger,
  options: ReceiptsOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const { maxConnections = 6 } = options;
  const store = openStore({ databaseUrl: config.databaseUrl, masterKeys: config.masterKey, maxConnections });
  try {
    const server = await buildReceipts({ store, vendors, log, metrics: createMetrics('receipts') });
    await server.listen({ host: config.host, port: config.receiptsPort });
    const { port } = server.server.address() as AddressInfo;
    return {
      port,
      async close() {
        await server.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

if (import.meta.main) await run(process.env);
