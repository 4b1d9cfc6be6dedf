import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '@pushmill/config';
import { Secret } from '@pushmill/core';
import { loadOrCreateSecrets } from '@pushmill/embedded';
import { openStore } from '@pushmill/store';

export interface ClusterSecrets {
  masterKey: string;
  operatorPassword: string;
}

/** The settings' own where they are set, else made at first start and kept in the data folder. */
export async function clusterSecrets(dataDir: string, settings: Settings): Promise<ClusterSecrets> {
  const kept = await loadOrCreateSecrets(dataDir, {
    masterKey: () => randomBytes(32).toString('base64'),
    // Typed by people, so shorter than the others; 80 bits behind an HTTP login are enough.
    operatorPassword: () => randomBytes(10).toString('hex'),
  });
  return {
    masterKey: settings.masterKey?.reveal() ?? kept.masterKey,
    operatorPassword: settings.operatorPassword?.reveal() ?? kept.operatorPassword,
  };
}

export interface ClusterKeys {
  operatorKey: string;
  producerKey: string;
}

const keyNames = { operatorKey: 'operator', producerKey: 'producer' } as const;

interface KeptKey {
  id: string;
  key: string;
}

/**
 * API keys of the default app that `up` shows at every start. The ledger has only their hashes, so the keys
 * themselves are kept in the data folder; one that the ledger does not know (another database) or that was
 * revoked is replaced by a new one.
 */
export async function ensureKeys(
  dataDir: string,
  databaseUrl: string,
  masterKey: string,
): Promise<ClusterKeys> {
  const path = join(dataDir, 'keys.json');
  const kept = await readKept(path);
  const store = openStore({
    databaseUrl: new Secret(databaseUrl),
    masterKeys: new Secret(masterKey),
    maxConnections: 1,
  });
  try {
    const app = await store.apps.ensureDefault();
    const known = await store.keys.list(app.id);
    const alive = new Set(known.filter((key) => key.revokedAt === null).map((key) => key.id));
    let changed = false;
    for (const [field, role] of Object.entries(keyNames) as [keyof ClusterKeys, 'operator' | 'producer'][]) {
      const old = kept[field];
      if (old && alive.has(old.id)) continue;
      const { id, key } = await store.keys.create({ appId: app.id, name: `${role} of pushmill up`, role });
      kept[field] = { id, key };
      changed = true;
    }
    if (changed) await writeKept(path, kept);
  } finally {
    await store.close();
  }
  const { operatorKey, producerKey } = kept as Record<keyof ClusterKeys, KeptKey>;
  return { operatorKey: operatorKey.key, producerKey: producerKey.key };
}

/** A missing or damaged file costs nothing but new keys. */
async function readKept(path: string): Promise<Partial<Record<keyof ClusterKeys, KeptKey>>> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return {};
  }
}

async function writeKept(path: string, kept: unknown): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(`${JSON.stringify(kept, null, 2)}\n`);
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
