import { randomBytes } from 'node:crypto';
import { Secret } from '@pushmill/core';
import { openStore } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import { checkChannels, type NamedChannel } from './channel-check.ts';
import { type Finding, reasonOf, skipped } from './finding.ts';
import { type Installation, installationOf } from './installation.ts';
import { checkPostgres } from './postgres-check.ts';
import { type Callers, checkReceiptsUrl } from './receipts-url-check.ts';
import { checkRedis } from './redis-check.ts';
import { checkRole } from './role-check.ts';
import { checkSettings } from './settings-check.ts';

/**
 * Looks at everything that an installation stands on, and changes nothing.
 * @param progress  told what is looked at
 */
export async function examine(
  env: NodeJS.ProcessEnv,
  progress: (line: string) => void = () => undefined,
): Promise<Finding[]> {
  const { findings, settings } = checkSettings(env);
  if (!settings) return [...findings, skipped('everything else', 'cannot be found with these settings')];
  const installation = installationOf(settings, env);

  progress('Looking at Postgres and Redis…');
  const [postgres, redis] = await Promise.all([
    checkPostgres(installation.databaseUrl),
    checkRedis(installation.redisUrl),
  ]);
  progress('Looking at the roles…');
  const roles = await Promise.all(
    Object.entries(installation.roles).map(([name, url]) =>
      checkRole(name, url, installation.local !== undefined),
    ),
  );
  const channels = postgres.hasSchema ? await channelsOf(installation).catch(reasonOf) : undefined;
  const known = Array.isArray(channels) ? channels : undefined;
  progress('Looking at the public receipts URL…');
  const receiptsUrl = await checkReceiptsUrl(installation.publicReceiptsUrl, known && callersAmong(known));
  const isDemo = installation.local?.demo === true;
  return [
    ...findings,
    ...postgres.findings,
    ...redis,
    ...roles,
    ...receiptsUrl,
    ...(known
      ? checkChannels(known, { now: new Date(), isDemo })
      : [skipped('channels', `cannot be read: ${channels ?? 'see Postgres and schema'}`)]),
  ];
}

async function channelsOf({ databaseUrl }: Installation): Promise<NamedChannel[]> {
  const store = openStore({
    databaseUrl: new Secret(databaseUrl as string),
    // A throw-away key: no credential is opened here.
    masterKeys: new Secret(randomBytes(32).toString('base64')),
    maxConnections: 1,
  });
  try {
    const apps = await store.apps.list();
    const found: NamedChannel[] = [];
    for (const app of apps) {
      for (const row of await store.channels.list(app.id)) {
        found.push({ row, title: apps.length > 1 ? `${app.name}/${row.name}` : row.name });
      }
    }
    return found;
  } finally {
    await store.close();
  }
}

function callersAmong(channels: readonly NamedChannel[]): Callers {
  const table: Readonly<Record<string, { readCallback?: unknown }>> = vendors;
  const called = channels.filter(({ row }) => table[row.vendor]?.readCallback !== undefined);
  if (called.length === 0) return 'nobody';
  return called.every(({ row }) => row.settings.emulator === true) ? 'emulators' : 'vendors';
}
