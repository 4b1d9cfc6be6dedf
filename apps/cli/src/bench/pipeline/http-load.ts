import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { CommandError } from '../../failure.ts';

/**
 * Sends requests over keep-alive connections, each connection one at a time, and takes an answer of 202 for a yes. It
 * speaks HTTP/1.1 itself: a client library would take more of the machine than what is measured leaves.
 * @param requests  as `requestBytes` makes them
 * @throws CommandError  with the first answer that is no 202
 */
export async function sendAll(
  url: string,
  requests: readonly Buffer[],
  connections: number,
  signal: AbortSignal,
): Promise<void> {
  const { hostname, port } = new URL(url);
  let next = 0;
  const cut = new AbortController();
  const sendNext = async () => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
    try {
      await once(socket, 'connect', { signal });
      for (let request = requests[next++]; request; request = requests[next++]) {
        signal.throwIfAborted();
        cut.signal.throwIfAborted();
        const { status, body } = await exchange(socket, request);
        if (status !== 202) throw new CommandError(`A request was answered ${status}: ${body.slice(0, 300)}`);
      }
    } catch (error) {
      cut.abort(error);
      throw error;
    } finally {
      socket.destroy();
    }
  };
  const all = Array.from({ length: Math.min(connections, requests.length) }, sendNext);
  await Promise.allSettled(all);
  await Promise.all(all);
}

/** A whole request. */
export function requestBytes(path: string, headers: Readonly<Record<string, string>>, body: string): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${lines.join('')}\r\n${body}`,
  );
}

interface Answer {
  status: number;
  body: string;
}

function exchange(socket: Socket, request: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let received = '';
    const onData = (chunk: Buffer) => {
      received += chunk.toString('latin1');
      try {
        const answer = readAnswer(received);
        if (answer) finish(() => resolve(answer));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const onEnd = () => finish(() => reject(new CommandError('The api closed a connection.')));
    const onError = (error: Error) => finish(() => reject(error));
    const finish = (settle: () => void) => {
      socket.off('data', onData).off('close', onEnd).off('error', onError);
      settle();
    };
    socket.on('data', onData).on('close', onEnd).on('error', onError);
    socket.write(request);
  });
}

/**
 * Undefined while it has not arrived in full.
 * @throws CommandError  for one that does not say its length
 */
export function readAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new CommandError('An answer says no length.');
  const body = text.slice(end + 4);
  return body.length < Number(length) ? undefined : { status: Number(head.slice(9, 12)), body };
}
