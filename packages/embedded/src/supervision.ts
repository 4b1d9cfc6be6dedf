import type { Guarded } from './guardian.ts';
import { tail } from './guardian.ts';

/*
 * A supervised server is up, or down and being started again, or stopped on request:
 *
 *   up --death--> down --(backoff, start)--> up
 *    \--stop()------\--stop()--> stopped
 *
 * The wait doubles from 100 ms to 10 s and is forgotten once the server has stayed up for 30 s. It never gives
 * up: a full disk is freed, a port is given back, and the workers are waiting.
 */
const firstWaitMs = 100;
const longestWaitMs = 10_000;
const stableAfterMs = 30_000;

export interface Supervised {
  pid(): number | undefined;
  stop(): Promise<void>;
}

/**
 * Watches a started server.
 * @param first     the server, up
 * @param o.start   brings it up again on the same port, ready for clients; throws if it cannot
 * @param o.ended   called once, when it has stopped for good
 */
export function supervise(
  first: Guarded,
  o: {
    name: string;
    logFile: string;
    restart: boolean;
    start: () => Promise<Guarded>;
    say: (line: string) => void;
    onExit?: (sentence: string) => void;
    ended: () => Promise<void>;
  },
): Supervised {
  let current: Guarded | undefined;
  let stopping: Promise<void> | undefined;
  let restarting: Promise<void> = Promise.resolve();
  let waitMs = firstWaitMs;
  const cut = new AbortController();

  const watch = (server: Guarded): void => {
    current = server;
    const upAt = Date.now();
    void server.exited.then((how) => {
      current = undefined;
      if (stopping !== undefined) return;
      if (Date.now() - upAt > stableAfterMs) waitMs = firstWaitMs;
      report(how);
      restarting = o.restart ? bringBack() : o.ended();
    });
  };

  const report = (how: string): void => {
    const words = tail(o.logFile);
    const sentence = `${o.name} ${how}${o.restart ? '; starting it again' : ''}.`;
    o.say(sentence);
    o.onExit?.(words === '' ? sentence : `${sentence} The end of ${o.logFile}:\n${words}`);
  };

  const bringBack = async (): Promise<void> => {
    const downAt = Date.now();
    while (!cut.signal.aborted) {
      await pause(waitMs, cut.signal);
      if (cut.signal.aborted) return;
      waitMs = Math.min(longestWaitMs, waitMs * 2);
      try {
        const server = await o.start();
        o.say(`${o.name} is back after ${Date.now() - downAt} ms (process ${server.pid}).`);
        watch(server);
        return;
      } catch (error) {
        if (!cut.signal.aborted) o.say(`${(error as Error).message} Next attempt in ${waitMs} ms.`);
      }
    }
  };

  watch(first);
  return {
    pid: () => current?.pid,
    stop() {
      stopping ??= (async () => {
        cut.abort();
        // A start under way is let finish: then there is a process to stop, not one to lose.
        await restarting;
        await current?.stop();
        await o.ended();
      })();
      return stopping;
    },
  };
}

// Unlike the promise of node:timers, ends quietly when cut short, and does not keep the program alive.
function pause(ms: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms).unref();
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    cut.addEventListener('abort', end, { once: true });
  });
}
