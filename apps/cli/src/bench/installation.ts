import { join } from 'node:path';
import { type Server, startPostgres, startRedis } from '@pushmill/embedded';
import { createClosing } from '../closing.ts';
import { type Cluster, startCluster } from '../cluster.ts';
import { localUrl, settlePorts } from '../ports.ts';
import { type RoleProcess, startRole } from '../role-process.ts';
import { type Line, openLine } from './line.ts';

export interface InstallationOptions {
  dataDir: string;
  env: NodeJS.ProcessEnv;
  seed: number;
  /** Where the wall clocks of the roles with a wrong clock go, step by step. */
  clockOffsetsMs: readonly number[];
  say: (line: string) => void;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** A cluster of several processes a role, with everything in reach of whoever breaks it. */
export interface Installation {
  readonly cluster: Cluster;
  readonly apiUrls: readonly string[];
  /** By name: `worker-1`, `api-2`, `receipts`. */
  readonly roles: ReadonlyMap<string, RoleProcess>;
  /** Roles whose clock can be set, by SIGUSR2. */
  readonly wrongClocks: readonly string[];
  /** The servers themselves; their URLs lead past the lines. */
  readonly redis: Server;
  readonly postgres: Server;
  /** `redis`, `postgres` and the vendors' names. */
  readonly lines: ReadonlyMap<string, Line>;
  stop(): Promise<void>;
}

/** Baidu signs the address that it is called by, so no line can be put before it. */
const unlined = new Set(['baidu']);

/** Three workers, two apis, receipts, every emulator, and a line before each server that roles call. */
export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { dataDir, env, say } = options;
  const closing = createClosing(say);
  try {
    // Processes are killed here and no power is cut, and what a killed server has written is in the system's hands.
    const serverOptions = { dataDir, env, say, durable: false };
    const redis = await startRedis(serverOptions);
    closing.add('Redis', () => redis.stop());
    const postgres = await startPostgres(serverOptions);
    closing.add('Postgres', () => postgres.stop());
    const lines = new Map<string, Line>();
    const open = async (name: string, url: string) => {
      const line = await openLine(url);
      closing.add(`the line to ${name}`, () => line.close());
      lines.set(name, line);
      return line.url;
    };
    const linedEnv = {
      ...env,
      REDIS_URL: await open('redis', redis.url),
      DATABASE_URL: await open('postgres', postgres.url),
    };
    const cluster = await startCluster({
      dataDir,
      env: linedEnv,
      ports: { api: 0, receipts: 0, metrics: 0 },
      demo: { seed: options.seed },
      say,
      progress: options.progress,
      signal: options.signal,
    });
    closing.add('the cluster', () => cluster.stop());
    await putVendorsBehindLines(cluster, open);

    const roles = new Map<string, RoleProcess>();
    for (const [name, role] of cluster.roles) roles.set(name === 'receipts' ? name : `${name}-1`, role);
    const apiUrls = [cluster.url];
    const wrongClock = {
      NODE_OPTIONS: `--import ${new URL('wrong-clock.ts', import.meta.url).href}`,
      CHAOS_CLOCK_OFFSETS_MS: options.clockOffsetsMs.join(','),
    };
    const startAnother = async (kind: 'worker' | 'api', number: number, more: NodeJS.ProcessEnv) => {
      const name = `${kind}-${number}`;
      options.progress(`Starting ${name}…`);
      const ports = await settlePorts('127.0.0.1', { api: 0, receipts: 0, metrics: 0 });
      const role = await startRole({
        name: kind,
        env: {
          ...linedEnv,
          PUSHMILL_MASTER_KEY: cluster.masterKey,
          PUSHMILL_OPERATOR_PASSWORD: cluster.operatorPassword,
          PUSHMILL_DATA_DIR: dataDir,
          PUSHMILL_PORT: String(ports.api),
          PUSHMILL_METRICS_PORT: String(ports.metrics),
          PUSHMILL_PUBLIC_RECEIPTS_URL: cluster.receiptsUrl,
          ...more,
        },
        logFile: join(dataDir, 'logs', `${name}.log`),
        say,
      });
      closing.add(name, () => role.stop());
      roles.set(name, role);
      if (kind === 'api') apiUrls.push(localUrl('127.0.0.1', ports.api));
    };
    await startAnother('api', 2, wrongClock);
    await startAnother('worker', 2, {});
    await startAnother('worker', 3, wrongClock);
    return {
      cluster,
      apiUrls,
      roles,
      wrongClocks: ['api-2', 'worker-3'],
      redis,
      postgres,
      lines,
      stop: () => closing.close(),
    };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function putVendorsBehindLines(
  { client, emulators }: Cluster,
  open: (name: string, url: string) => Promise<string>,
): Promise<void> {
  for (const [vendor, emulator] of emulators) {
    if (unlined.has(vendor)) continue;
    const origin = new URL(await open(vendor, emulator.origin)).origin;
    for (const { name, settings, credential } of emulator.channels) {
      const moved = JSON.parse(JSON.stringify(settings).replaceAll(emulator.origin, origin));
      await client.channels.update(name, { settings: moved, credential });
    }
  }
}
