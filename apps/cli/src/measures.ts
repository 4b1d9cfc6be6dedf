import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askRedis } from './redis-dialog.ts';

/** The most memory that Redis has used since its start; null when it does not say. */
export async function redisPeakBytes(redisUrl: string): Promise<number | null> {
  const [memory] = await askRedis(redisUrl, [['INFO', 'memory']]).catch(() => []);
  const found = /^used_memory_peak:(\d+)\r?$/m.exec(String(memory));
  return found ? Number(found[1]) : null;
}

/**
 * Callbacks that the receipts service did not believe since its start, by its own metrics: not proven, or to an
 * address that is nobody's. The ledger keeps only some of the first kind a minute.
 */
export async function callbacksRefused(receiptsUrl: string): Promise<number> {
  const text = await (await fetch(`${receiptsUrl}/metrics`)).text();
  const counted = text.matchAll(
    /^pushmill_callbacks_total\{[^}]*result="(?:refused|unknown)"[^}]*\} (\d+)$/gm,
  );
  return [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** What an embedded Postgres takes on disk, its log of changes included; null for one that is elsewhere. */
export async function postgresBytes(dataDir: string): Promise<number | null> {
  const folder = join(dataDir, 'postgres');
  const elsewhere = await readFile(join(folder, 'location'), 'utf8').catch(() => '');
  return folderBytes(elsewhere.trim() || folder).catch(() => null);
}

async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // The server removes files while we look.
    const size = entry.isDirectory() ? folderBytes(path) : lstat(path).then((found) => found.size);
    total += await size.catch(() => 0);
  }
  return total;
}
