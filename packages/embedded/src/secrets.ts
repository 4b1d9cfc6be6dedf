import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataDir } from './data-dir.ts';
import { waitForLock } from './lock.ts';
import { EmbeddedError } from './server.ts';

/**
 * Secrets of this data folder, made at first use and the same ever after, in `secrets.json` (0600).
 * Names asked for by others are kept; callers at the same time, in this process or another, agree.
 * @param makers  for each name, what makes its value if there is none yet
 * @returns       the values of the names asked for
 * @throws        EmbeddedError if the file cannot be read as what it should be
 */
export async function loadOrCreateSecrets<Name extends string>(
  dataDir: string,
  makers: Record<Name, () => string>,
): Promise<Record<Name, string>> {
  await openDataDir(dataDir);
  const path = join(dataDir, 'secrets.json');
  const lock = await waitForLock(join(dataDir, 'secrets.lock'), 10_000);
  try {
    const known = await readSecrets(path);
    const wanted: Record<string, string> = {};
    let added = false;
    for (const [name, make] of Object.entries<() => string>(makers)) {
      if (known[name] === undefined) {
        known[name] = make();
        added = true;
      }
      wanted[name] = known[name];
    }
    if (added) await writeSecrets(path, known);
    return wanted as Record<Name, string>;
  } finally {
    await lock.release();
  }
}

/** A new password: 192 bits, safe in a URL, a configuration file and a shell. */
export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

async function readSecrets(path: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new EmbeddedError(`Cannot read ${path}: ${(error as Error).message}`);
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (
      parsed !== null &&
      typeof parsed === 'object' &&
      Object.values(parsed).every((v) => typeof v === 'string')
    ) {
      return parsed as Record<string, string>;
    }
  } catch {
    // The parser's words would quote the file.
  }
  throw new EmbeddedError(
    `${path} is damaged: restore it from a backup; without it the stored data cannot be opened.`,
  );
}

// Losing this file means losing the master key, so it is on the disk before anything is encrypted with it.
async function writeSecrets(path: string, secrets: Record<string, string>): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(`${JSON.stringify(secrets, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
