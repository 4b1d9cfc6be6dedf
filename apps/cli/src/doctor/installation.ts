import { resolve } from 'node:path';
import type { Settings } from '@pushmill/config';
import { type LocalFile, readLocalFile } from '../local-file.ts';
import { localUrl } from '../ports.ts';

/** What is examined: the one that the settings describe, filled up from the `up` that runs on the data folder. */
export interface Installation {
  dataDir: string;
  /** The `up` that runs here. */
  local: LocalFile | undefined;
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
  roles: Readonly<Record<'api' | 'receipts' | 'worker', string>>;
  /** As set, not as derived. */
  publicReceiptsUrl: string | undefined;
}

export function installationOf(settings: Settings, env: NodeJS.ProcessEnv): Installation {
  const local = readLocalFile(settings.dataDir);
  const { host } = settings;
  return {
    dataDir: resolve(settings.dataDir),
    local,
    databaseUrl: settings.databaseUrl?.reveal() ?? local?.databaseUrl,
    redisUrl: settings.redisUrl?.reveal() ?? local?.redisUrl,
    roles: {
      api: settings.url ?? local?.url ?? localUrl(host, settings.port),
      receipts: local?.receiptsUrl ?? localUrl(host, settings.receiptsPort),
      worker: local?.workerUrl ?? localUrl(host, settings.metricsPort),
    },
    publicReceiptsUrl: env.PUSHMILL_PUBLIC_RECEIPTS_URL ? settings.publicReceiptsUrl : undefined,
  };
}
