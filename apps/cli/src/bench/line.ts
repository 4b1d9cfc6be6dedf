import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A server behind a line of our own that can stall and break. */
export interface Line {
  /** The server's URL with the line's address in place of its own. */
  readonly url: string;
  /** Nothing gets through and nothing breaks, as on a network that swallows packets. Later calls prolong it. */
  stall(ms: number): void;
  /** Breaks every connection; new ones are let through at once. */
  cut(): void;
  close(): Promise<void>;
}

/** Opens a line to where `url` points, on loopback. Connections that come while it is stalled wait too. */
export async function openLine(url: string): Promise<Line> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let stalledUntil = 0;
  let timer: NodeJS.Timeout | undefined;

  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect({ port: Number(target.port), host: target.hostname });
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    carry(near, far);
    carry(far, near);
    if (Date.now() < stalledUntil) for (const socket of [near, far]) socket.pause();
    else near.resume();
  });

  // Not `pipe`, which would set a stalled socket going again.
  function carry(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => {
        if (Date.now() >= stalledUntil) from.resume();
      });
    });
    from.on('end', () => to.end());
  }

  function release(): void {
    for (const socket of sockets) socket.resume();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = new URL(url);
  own.hostname = '127.0.0.1';
  own.port = String((server.address() as AddressInfo).port);

  return {
    url: own.href,
    stall(ms) {
      stalledUntil = Math.max(stalledUntil, Date.now() + ms);
      for (const socket of sockets) socket.pause();
      clearTimeout(timer);
      timer = setTimeout(release, stalledUntil - Date.now());
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      clearTimeout(timer);
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
