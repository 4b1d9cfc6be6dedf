import { readFileSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What a running `up` leaves in its data folder, so that the hand tools in another terminal need no settings.
 * It holds secrets, is readable by its owner alone, and is removed when the `up` stops.
 */
export interface LocalFile {
  pid: number;
  url: string;
  receiptsUrl: string;
  /** Of the worker's `/healthz`, `/readyz` and `/metrics`. */
  workerUrl: string;
  redisUrl: string;
  /** Whether its emulators run too. */
  demo: boolean;
  producerKey: string;
  operatorKey: string;
  databaseUrl: string;
  masterKey: string;
}

const pathIn = (dataDir: string) => join(dataDir, 'local.json');

export async function writeLocalFile(dataDir: string, content: LocalFile): Promise<void> {
  const draft = `${pathIn(dataDir)}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    // The mode above is only for a file that is made; one may be there from a crash.
    await file.chmod(0o600);
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
  } finally {
    await file.close();
  }
  await rename(draft, pathIn(dataDir));
}

export function removeLocalFile(dataDir: string): void {
  rmSync(pathIn(dataDir), { force: true });
}

/** Undefined when nothing runs on the folder, also when an `up` was killed and left its file behind. */
export function readLocalFile(dataDir: string): LocalFile | undefined {
  try {
    const content = JSON.parse(readFileSync(pathIn(dataDir), 'utf8')) as LocalFile;
    process.kill(content.pid, 0);
    return content;
  } catch (error) {
    const running = (error as NodeJS.ErrnoException).code === 'EPERM';
    return running ? (JSON.parse(readFileSync(pathIn(dataDir), 'utf8')) as LocalFile) : undefined;
  }
}
