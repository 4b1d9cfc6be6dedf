import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthServerOptions {
  host: string;
  port: number;
  /** What is not ready, in words; empty when all is. */
  notReady: () => Promise<string[]>;
  metrics: { contentType: string; text: () => Promise<string> };
}

/** `/healthz`, `/readyz` and `/metrics` of a role that serves nothing else. */
export async function startHealthServer(
  options: HealthServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, body: string) =>
      response.writeHead(status, { 'content-type': type }).end(body);
    const respond = async () => {
      switch (request.url) {
        case '/healthz':
          return answer(200, 'application/json', '{"status":"alive"}');
        case '/readyz': {
          const problems = await options.notReady();
          const body = JSON.stringify({ status: problems.length === 0 ? 'ready' : 'not ready', problems });
          return answer(problems.length === 0 ? 200 : 503, 'application/json', body);
        }
        case '/metrics':
          return answer(200, options.metrics.contentType, await options.metrics.text());
        default:
          return answer(404, 'text/plain', 'Not found. There are /healthz, /readyz and /metrics.\n');
      }
    };
    respond().catch(() => answer(500, 'text/plain', 'The state of this process cannot be told.\n'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
