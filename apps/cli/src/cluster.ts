import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Client, createClient } from '@pushmill/client';
import { readSettings } from '@pushmill/config';
import { lockDataDir, type Server, startPostgres, startRedis } from '@pushmill/embedded';
import { migrate } from '@pushmill/store';
import type { Emulator } from '@pushmill/vendors';
import { createClosing } from './closing.ts';
import { clusterSecrets, ensureKeys } from './cluster-secrets.ts';
import { connectChannels, type EmulatedChannel, emulatedVendors, startEmulator } from './emulation.ts';
import { removeLocalFile, writeLocalFile } from './local-file.ts';
import { localUrl, type Ports, settlePorts } from './ports.ts';
import { type RoleName, type RoleProcess, startRole } from './role-process.ts';

export interface ClusterOptions {
  dataDir: string;
  /** What the roles see besides what the cluster decides; `REDIS_URL` and `DATABASE_URL` are used where set. */
  env: NodeJS.ProcessEnv;
  /** 0 takes any free port; undefined takes the settings'. */
  ports?: Partial<Ports>;
  /** With an emulator of every vendor, and channels that reach them. */
  demo?: { seed: number };
  /** False for throw-away data: no waiting for the disk. */
  durable?: boolean;
  say: (line: string) => void;
  /** Told each step of the start, for the person who waits. */
  progress?: (line: string) => void;
  /** Stops a start under way at its next step. */
  signal?: AbortSignal;
}

/** A whole pushmill on this machine: servers, roles as supervised children, and with `demo` the emulators. */
export interface Cluster {
  readonly dataDir: string;
  readonly url: string;
  readonly receiptsUrl: string;
  readonly operatorPassword: string;
  readonly operatorKey: string;
  readonly producerKey: string;
  readonly databaseUrl: string;
  readonly masterKey: string;
  /** Speaks as an operator. */
  readonly client: Client;
  readonly redis: Server;
  readonly postgres: Server;
  readonly roles: ReadonlyMap<RoleName, RoleProcess>;
  /** By vendor; empty without `demo`. */
  readonly emulators: ReadonlyMap<string, Emulator>;
  /** The channels that reach the emulators. */
  readonly channels: readonly EmulatedChannel[];
  /** Everything, in reverse. Leaves no process. */
  stop(): Promise<void>;
}

/**
 * Starts everything, in an order in which nobody waits for somebody later: data folder, servers, schema, keys,
 * receipts (its address is in the api's channels), api, emulators and their channels, and last the worker, so
 * that what waits in the ledger from before meets channels that are right again.
 * @throws  with one sentence; what was started is stopped again
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const closing = createClosing(options.say);
  try {
    return await start(options, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function start(options: ClusterOptions, closing: ReturnType<typeof createClosing>): Promise<Cluster> {
  const { env, say, progress = () => undefined } = options;
  const dataDir = resolve(options.dataDir);
  const settings = readSettings(env);
  const step = () => options.signal?.throwIfAborted();

  const lock = await lockDataDir(dataDir);
  closing.add('the data folder', () => lock.release());
  const ports = await settlePorts(settings.host, {
    api: options.ports?.api ?? settings.port,
    receipts: options.ports?.receipts ?? settings.receiptsPort,
    metrics: options.ports?.metrics ?? settings.metricsPort,
  });
  const secrets = await clusterSecrets(dataDir, settings);
  step();

  progress('Starting Redis and Postgres…');
  const serverOptions = { dataDir, env, say, durable: options.durable ?? true };
  // Both are waited for even if one fails, so that the other is stopped and not lost.
  const [redisStart, postgresStart] = await Promise.allSettled([
    startRedis(serverOptions),
    startPostgres(serverOptions),
  ]);
  if (postgresStart.status === 'fulfilled') closing.add('Postgres', () => postgresStart.value.stop());
  if (redisStart.status === 'fulfilled') closing.add('Redis', () => redisStart.value.stop());
  const redis = settledValue(redisStart);
  const postgres = settledValue(postgresStart);
  step();

  progress('Bringing the schema up to date…');
  await migrate(postgres.url);
  const keys = await ensureKeys(dataDir, postgres.url, secrets.masterKey);
  step();

  const url = localUrl(settings.host, ports.api);
  const receiptsUrl = localUrl(settings.host, ports.receipts);
  const logs = join(dataDir, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const roleEnv: NodeJS.ProcessEnv = {
    ...env,
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    PUSHMILL_MASTER_KEY: secrets.masterKey,
    PUSHMILL_OPERATOR_PASSWORD: secrets.operatorPassword,
    PUSHMILL_DATA_DIR: dataDir,
    PUSHMILL_PORT: String(ports.api),
    PUSHMILL_RECEIPTS_PORT: String(ports.receipts),
    PUSHMILL_METRICS_PORT: String(ports.metrics),
    PUSHMILL_PUBLIC_RECEIPTS_URL: env.PUSHMILL_PUBLIC_RECEIPTS_URL || receiptsUrl,
  };
  const roles = new Map<RoleName, RoleProcess>();
  const startOne = async (name: RoleName) => {
    progress(`Starting ${name}…`);
    const role = await startRole({ name, env: roleEnv, logFile: join(logs, `${name}.log`), say });
    closing.add(name, () => role.stop());
    roles.set(name, role);
    step();
  };
  await startOne('receipts');
  await startOne('api');

  const client = createClient({ url, apiKey: keys.operatorKey });
  const emulators = new Map<string, Emulator>();
  if (options.demo) {
    for (const vendor of emulatedVendors) {
      progress(`Starting the ${vendor} emulator…`);
      const emulator = await startEmulator(vendor, { dataDir, seed: options.demo.seed });
      closing.add(`the ${vendor} emulator`, () => emulator.close());
      emulators.set(vendor, emulator);
    }
  }
  const channels = await connectChannels(client, [...emulators.values()]);
  step();
  await startOne('worker');

  await writeLocalFile(dataDir, {
    pid: process.pid,
    url,
    receiptsUrl,
    workerUrl: localUrl(settings.host, ports.metrics),
    redisUrl: redis.url,
    demo: options.demo !== undefined,
    ...keys,
    databaseUrl: postgres.url,
    masterKey: secrets.masterKey,
  });
  closing.add('local.json', () => removeLocalFile(dataDir));

  return {
    dataDir,
    url,
    receiptsUrl,
    ...secrets,
    ...keys,
    databaseUrl: postgres.url,
    client,
    redis,
    postgres,
    roles,
    emulators,
    channels,
    stop: () => closing.close(),
  };
}

function settledValue<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
