import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { CommandError } from './failure.ts';

// Below the range that kernels take outgoing ports from. Inside it, a client that keeps calling a killed
// server on loopback can be given that very port, connect to itself, and keep the server from coming back.
const LOWEST = 20_000;
const HIGHEST = 32_000;

export interface Ports {
  api: number;
  receipts: number;
  /** The worker's. */
  metrics: number;
}

const remedies: Record<keyof Ports, { what: string; option: string }> = {
  api: { what: 'the HTTP API', option: '--port N (or PUSHMILL_PORT)' },
  receipts: {
    what: 'the receipts service',
    option: 'PUSHMILL_RECEIPTS_PORT (or --port N, which moves it too)',
  },
  metrics: {
    what: "the worker's metrics",
    option: 'PUSHMILL_METRICS_PORT (or --port N, which moves it too)',
  },
};

/**
 * The ports to start on: each 0 becomes a free one; each other is checked before anything is started.
 * @throws CommandError  naming the busy port and the option that moves it
 */
export async function settlePorts(host: string, wanted: Ports): Promise<Ports> {
  const settled = { ...wanted };
  for (const name of Object.keys(remedies) as (keyof Ports)[]) {
    if (wanted[name] === 0) {
      settled[name] = await freePort(host, Object.values(settled));
      continue;
    }
    const failure = await tryPort(host, wanted[name]);
    if (failure === undefined) continue;
    const { what, option } = remedies[name];
    if (failure === 'EADDRINUSE') {
      throw new CommandError(
        `Port ${wanted[name]} for ${what} is in use: end what uses it, or choose another with ${option}.`,
      );
    }
    throw new CommandError(
      `Cannot listen on ${host}:${wanted[name]} for ${what} (${failure}): choose another port with ${option}, or correct PUSHMILL_HOST.`,
    );
  }
  return settled;
}

async function freePort(host: string, taken: readonly number[]): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!taken.includes(port) && (await tryPort(host, port)) === undefined) return port;
  }
  throw new CommandError(`No free port was found between ${LOWEST} and ${HIGHEST} on ${host}.`);
}

/** Undefined when a server can listen there, else the system's code. */
function tryPort(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

/** Where a server that listens on this host is called. "Everywhere" is an address to listen on and not one to call. */
export function localUrl(host: string, port: number): string {
  const callable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${callable.includes(':') ? `[${callable}]` : callable}:${port}`;
}
