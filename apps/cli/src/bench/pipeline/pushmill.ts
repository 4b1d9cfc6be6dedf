import pg from 'pg';
import type { Cluster } from '../../cluster.ts';
import { CommandError } from '../../failure.ts';
import type { RoleProcess } from '../../role-process.ts';
import { type Destination, sample } from './destination.ts';
import type { Pipeline } from './pipeline.ts';

/**
 * A pushmill as a user runs it, with a channel of its own that reaches the sink.
 * @param workers  besides the cluster's own; read anew for each load
 */
export async function openPushmill(
  cluster: Cluster,
  { origin, ca, topic }: Destination,
  workers: ReadonlyMap<string, RoleProcess> = new Map(),
): Promise<Pipeline & { close(): Promise<void> }> {
  const offered = cluster.emulators
    .get('apns')
    ?.channels.find(({ credential }) => credential.kind === 'token');
  if (!offered) throw new CommandError('There is no emulator of APNs to take a signing key from.');
  const channel = await cluster.client.channels.create({
    name: 'bench-sink',
    vendor: 'apns',
    settings: { environment: 'production', topic, origin, ca, emulator: true },
    credential: offered.credential,
  });
  const database = new pg.Pool({ connectionString: cluster.databaseUrl, max: 1 });
  database.on('error', () => undefined);
  let before = 0;

  async function countAccepted(): Promise<number> {
    const { rows } = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pushes WHERE channel_id = $1 AND state = 'accepted'`,
      [channel.id],
    );
    return rows[0]?.count ?? 0;
  }

  return {
    url: cluster.url,
    path: '/v1/messages',
    headers: { authorization: `Bearer ${cluster.producerKey}` },
    get sources() {
      const { roles, redis, postgres } = cluster;
      return { roles: new Map([...roles, ...workers]), redis, postgres };
    },
    body: (tokens) =>
      JSON.stringify({
        class: tokens.length === 1 ? 'transactional' : 'marketing',
        ...sample,
        to: [{ channel: channel.name, ...(tokens.length === 1 ? { token: tokens[0] } : { tokens }) }],
      }),
    async begin() {
      before = await countAccepted();
    },
    async isRecorded() {
      // A batch leaves the ledger once each of its pushes has its outcome.
      const { rows } = await database.query('SELECT FROM batches WHERE channel_id = $1 LIMIT 1', [
        channel.id,
      ]);
      return rows.length === 0;
    },
    accepted: async () => (await countAccepted()) - before,
    close: () => database.end(),
  };
}
