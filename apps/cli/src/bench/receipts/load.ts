/**
 * The vendor's side: hands callbacks in over connections that stay open, each with one call at a time. Speaks HTTP over
 * bare sockets, since Node's client costs as much as what is measured. Arguments: the address, the number of connections.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { takeOrders, tally } from './crew.ts';
import { readAnswer } from './http-answer.ts';

const address = new URL(process.argv[2] ?? '');
const connections = Number(process.argv[3]);

takeOrders(
  (callbacks) =>
    callbacks.map(({ query, body }) =>
      Buffer.concat([
        Buffer.from(
          `POST ${address.pathname}?${query} HTTP/1.1\r\nhost: ${address.host}\r\n` +
            `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
        ),
        body,
      ]),
    ),
  async (requests) => {
    const results: Record<string, number> = {};
    const waiting = requests.values();
    const lines = Array.from({ length: Math.min(connections, requests.length) }, () =>
      handIn(waiting, results),
    );
    await Promise.all(lines);
    return results;
  },
);

async function handIn(waiting: Iterator<Buffer>, results: Record<string, number>): Promise<void> {
  const socket = connect({ port: Number(address.port), host: address.hostname, noDelay: true });
  await once(socket, 'connect');
  await new Promise<void>((resolve, reject) => {
    let received = '';
    const next = () => {
      const { value, done } = waiting.next();
      if (done) return resolve();
      socket.write(value);
    };
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      try {
        const answer = readAnswer(received);
        if (!answer) return;
        received = received.slice(answer.length);
        tally(results, String(answer.status));
      } catch (error) {
        return reject(error);
      }
      next();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the receipts service closed a connection')));
    next();
  });
  end(socket);
}

function end(socket: Socket): void {
  socket.removeAllListeners('close');
  socket.end();
}
