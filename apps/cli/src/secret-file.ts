import { open, rename, rm } from 'node:fs/promises';
import { CommandError } from './failure.ts';

/**
 * Writes a file that is readable by its owner alone. One that is there already is left as it is, unless
 * `replace` says otherwise; then it is replaced at once and whole.
 * @throws CommandError  when there is one, or when it cannot be written
 */
export async function writeSecretFile(path: string, content: string, replace: boolean): Promise<void> {
  const target = replace ? `${path}.new` : path;
  try {
    if (replace) await rm(target, { force: true });
    // Opened as new: never through somebody else's file or link.
    const file = await open(target, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    if (replace) await rename(target, path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

export function cannotWrite(path: string, error: unknown): CommandError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === 'EEXIST') {
    return new CommandError(
      `${path} is there already and is left as it is: choose another place with --out, or replace it with --force.`,
    );
  }
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    EACCES: 'you may not write there',
    EROFS: 'the disk is read-only',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is a file',
    ENOSPC: 'the disk is full',
  };
  return new CommandError(`Cannot write ${path}: ${why[code] ?? code}.`);
}
