/*
 * What the emulator's readers of bodies share. Nothing here may import from the sender's side.
 */

/** A device, whoever made it up. Any other token is invalid. */
export const tokenForm = /^[0-9a-f]{36}$/;

export type Fields = Record<string, unknown>;

export function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isIntegerIn(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** A list of texts, none empty and none longer than `maxChars`. */
export function isTextList(value: unknown, maxItems: number, maxChars: number): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= maxItems &&
    value.every((item) => typeof item === 'string' && item !== '' && [...item].length <= maxChars)
  );
}

export function parseMap(body: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return isMap(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What an endpoint refuses, with a return code. */
export interface Refusal {
  code: number;
  words: string;
  /** Of a batch: how each of its items fared. */
  result?: readonly string[];
}

/** The day and the time on the wall of an access point, all of which lie in UTC+8. */
export function wallClock(atMs: number): { day: string; time: string } {
  const text = new Date(atMs + 28_800_000).toISOString();
  return { day: text.slice(0, 10), time: text.slice(11, 19) };
}

/** @returns NaN for what is no moment of that clock */
export function wallClockMs(day: string, time: string): number {
  return Date.parse(`${day}T${time}+08:00`);
}
