import { basename } from 'node:path';
import { CredentialError } from '@pushmill/core';
import { CommandError } from './failure.ts';
import { readBytes, readTextFile } from './option-values.ts';
import type { Terminal } from './terminal.ts';

export interface PasswordOptions {
  passwordFile?: string;
}

export const passwordOption = [
  '--password-file <file>',
  'password of the .p12 or of an encrypted key, - for standard input (default: asked for where one is needed)',
] as const;

export interface InputFile {
  path: string;
  bytes: Buffer;
}

export function readInputs(paths: readonly string[]): Promise<InputFile[]> {
  return Promise.all(paths.map(async (path) => ({ path, bytes: await readBytes(path) })));
}

/** The password of `--password-file`; undefined where there is none. */
export async function givenPassword(
  options: PasswordOptions,
  terminal: Terminal,
): Promise<string | undefined> {
  if (options.passwordFile === undefined) return undefined;
  // Editors end a file with a line break that is not part of the password.
  return (await readTextFile(options.passwordFile, terminal)).replace(/\r?\n$/, '');
}

/** Whether a file could not be opened for want of the right password. */
export function wantsPassword(problem: { code: string } | null | undefined): boolean {
  return problem?.code === 'wrong-password' || problem?.code === 'passphrase-missing';
}

/** Asks; undefined when nobody is there to answer. */
export function askPassword(path: string, terminal: Terminal): Promise<string | undefined> {
  return terminal.askSecret(`Password of ${basename(path)}: `);
}

export const passwordHint =
  'Give the password with --password-file FILE, or --password-file - for standard input.';

/**
 * Opens with the password given, else with none, and asks only when that does not do.
 * @throws CredentialError  of `open`, when the file is wrong
 */
export async function openWithPassword<T>(
  paths: readonly string[],
  options: PasswordOptions,
  terminal: Terminal,
  open: (password: string) => Promise<T>,
): Promise<T> {
  const given = await givenPassword(options, terminal);
  try {
    return await open(given ?? '');
  } catch (error) {
    if (given !== undefined || !(error instanceof CredentialError) || !wantsPassword(error)) throw error;
    const answer = await askPassword(paths[0] ?? 'the file', terminal);
    if (answer === undefined) throw new CommandError(`${error.message} ${passwordHint}`);
    return open(answer);
  }
}
