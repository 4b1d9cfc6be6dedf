import { connect as connectPlain, isIP } from 'node:net';
import { connect as connectSecure } from 'node:tls';

/** What Redis answers to one command; a refusal is an `Error` with its words. */
export type RedisReply = string | number | null | Error | RedisReply[];

/**
 * Asks Redis a few things over a connection of its own, which spares the command line a Redis client.
 * @returns  one reply a command, in order
 * @throws Error  saying why there is no answer, or that the login is refused; never with the password
 */
export async function askRedis(
  redisUrl: string,
  commands: readonly (readonly string[])[],
  timeoutMs = 5_000,
): Promise<RedisReply[]> {
  const { hostname, port, username, password, protocol } = new URL(redisUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: Number(port || 6379) };
  const login = password
    ? [['AUTH', decodeURIComponent(username) || 'default', decodeURIComponent(password)]]
    : [];
  const asked = [...login, ...commands];
  const socket =
    protocol === 'rediss:'
      ? connectSecure({ ...address, ...(isIP(host) ? {} : { servername: host }) })
      : connectPlain(address);
  const replies = await new Promise<RedisReply[]>((resolve, reject) => {
    // A byte a character, so that lengths in bytes count characters.
    let received = '';
    // Idle or slow: the whole answer has this long.
    const late = setTimeout(() => finish(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const finish = (result: RedisReply[] | Error) => {
      clearTimeout(late);
      socket.destroy();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => finish(new Error(error.code ?? error.message)));
    socket.on('close', () => finish(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const read = readReplies(received, asked.length);
      if (read) finish(read);
    });
    socket.write(asked.map(encode).join(''));
  });
  const refused = login.length > 0 ? replies.shift() : undefined;
  if (refused instanceof Error) throw new Error(`the login is refused: ${refused.message}`);
  return replies;
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** Undefined while not all replies are there. */
function readReplies(text: string, count: number): RedisReply[] | undefined {
  let at = 0;
  const replies: RedisReply[] = [];
  try {
    while (replies.length < count) replies.push(readOne());
    return replies;
  } catch (error) {
    if (error instanceof Incomplete) return undefined;
    throw error;
  }

  function line(): string {
    const end = text.indexOf('\r\n', at);
    if (end < 0) throw new Incomplete();
    const found = text.slice(at, end);
    at = end + 2;
    return found;
  }

  function readOne(): RedisReply {
    const head = line();
    const rest = head.slice(1);
    switch (head[0]) {
      case '-':
        return new Error(rest);
      case ':':
        return Number(rest);
      case '$': {
        const length = Number(rest);
        if (length < 0) return null;
        if (text.length < at + length + 2) throw new Incomplete();
        const value = text.slice(at, at + length);
        at += length + 2;
        return Buffer.from(value, 'latin1').toString('utf8');
      }
      case '*':
        return Number(rest) < 0 ? null : Array.from({ length: Number(rest) }, readOne);
      default:
        return rest;
    }
  }
}

class Incomplete extends Error {}
