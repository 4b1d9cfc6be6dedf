import { readFile } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import { CommandError } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** Reads an option as a whole number within bounds. */
export function wholeNumber(lowest: number, highest: number) {
  return (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < lowest || number > highest) {
      throw new InvalidArgumentError(`It must be a whole number from ${lowest} to ${highest}.`);
    }
    return number;
  };
}

/** `apns, mpaas` → the names. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === ''))
    throw new InvalidArgumentError('It must be names separated by commas.');
  return names;
}

/** Collects `--data k=v` given several times. */
export function keyValue(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value.');
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
}

/** A file's text, or standard input for `-`. */
export async function readTextFile(path: string, terminal: Terminal): Promise<string> {
  if (path === '-') return terminal.readInput();
  return (await readBytes(path)).toString('utf8');
}

/** @throws CommandError  saying why the file cannot be read */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = { ENOENT: 'there is no such file', EACCES: 'you may not read it', EISDIR: 'it is a folder' };
    throw new CommandError(`Cannot read ${path}: ${why[code as keyof typeof why] ?? code}.`);
  }
}

/** A JSON object from a file or `-`. The parser's own words would quote the content, which may be secret. */
export async function readJsonObject(path: string, terminal: Terminal): Promise<Record<string, unknown>> {
  const source = path === '-' ? 'The input' : path;
  try {
    const value: unknown = JSON.parse(await readTextFile(path, terminal));
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (error) {
    if (error instanceof CommandError) throw error;
  }
  throw new CommandError(`${source} is not a JSON object.`);
}
