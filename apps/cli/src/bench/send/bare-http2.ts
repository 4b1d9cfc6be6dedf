import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';

/* What the floor is made of, whatever the vendor. */

/** @returns whether the answer was 200 */
export function finish(stream: ClientHttp2Stream, body: Buffer | string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    stream.on('response', (headers) => {
      status = headers[':status'];
    });
    stream.on('error', reject);
    stream.on('close', () => resolve(status === 200));
    stream.resume();
    stream.end(body);
  });
}

export function hangUp(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => session.close(resolve));
}
