import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { EmbeddedError } from './server.ts';

// Below the range the kernel takes outgoing ports from (Linux 32768, macOS 49152). In that range a client that
// keeps reconnecting to a killed server on loopback can be given the server's own port as its source, connect
// to itself, and keep the server from ever starting again.
const lowest = 20_000;
const highest = 32_000;

/** Whether nothing listens on this port of 127.0.0.1 right now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** A free port of 127.0.0.1, outside the kernel's range for outgoing connections. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(lowest, highest);
    if (await isPortFree(port)) return port;
  }
  throw new EmbeddedError(`No free port found between ${lowest} and ${highest} on 127.0.0.1.`);
}

/**
 * The port noted in `file` if it is still free, else a new one, noted. A server thus keeps its address over
 * restarts unless another program took it meanwhile.
 */
export async function keptPort(file: string): Promise<number> {
  const kept = Number(await readFile(file, 'utf8').catch(() => ''));
  if (Number.isInteger(kept) && kept > 0 && kept < 65_536 && (await isPortFree(kept))) return kept;
  const port = await freePort();
  await writeFile(file, `${port}\n`);
  return port;
}
