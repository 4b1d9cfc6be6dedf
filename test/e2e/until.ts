import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again until the answer is truthy.
 * @throws Error  naming what was waited for, when it does not come within the time
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  withinMs = 60_000,
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer as Exclude<T, undefined | null | false>;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain: ${what}`);
    await delay(20);
  }
}
