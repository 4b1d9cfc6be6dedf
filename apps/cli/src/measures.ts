import { lstat, readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/**
 * The most memory that Redis has used since its start (`used_memory_peak`); null when it does not say.
 * Two commands by hand spare the command line a Redis client.
 */
export function redisPeakBytes(redisUrl: string): Promise<number | null> {
  const { hostname, port, password, username, protocol } = new URL(redisUrl);
  if (protocol !== 'redis:') return Promise.resolve(null);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 6379) });
    let answer = '';
    const finish = (value: number | null) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(5_000, () => finish(null));
    socket.on('error', () => finish(null));
    socket.on('close', () => finish(null));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      const found = /\r\nused_memory_peak:(\d+)\r\n/.exec(answer);
      if (found) finish(Number(found[1]));
    });
    const login = password
      ? [command('AUTH', decodeURIComponent(username) || 'default', decodeURIComponent(password))]
      : [];
    socket.write([...login, command('INFO', 'memory')].join(''));
  });
}

function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** What an embedded Postgres takes on disk, its log of changes included; null for one that is elsewhere. */
export async function postgresBytes(dataDir: string): Promise<number | null> {
  const folder = join(dataDir, 'postgres');
  const elsewhere = await readFile(join(folder, 'location'), 'utf8').catch(() => '');
  return folderBytes(elsewhere.trim() || folder).catch(() => null);
}

async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // The server removes files while we look.
    const size = entry.isDirectory() ? folderBytes(path) : lstat(path).then((found) => found.size);
    total += await size.catch(() => 0);
  }
  return total;
}
