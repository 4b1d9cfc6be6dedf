import type { Cluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { Interrupted, takeInterruption } from '../interruption.ts';
import type { Context } from '../program.ts';

/** Starts a pushmill with its emulators in a temporary folder, and stops it after the work. */
export async function onOwnCluster(
  { env, terminal }: Context,
  work: (cluster: Cluster, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { startCluster } = await import('../cluster.ts');
  const { benchEnvironment } = await import('../own-environment.ts');
  const say = (line: string) => terminal.note(line);
  await onOwnFolder(undefined, say, async (dataDir, signal) => {
    const cluster = await startCluster({
      dataDir,
      env: benchEnvironment(env),
      ports: { api: 0, receipts: 0, metrics: 0 },
      demo: { seed: 1 },
      say,
      progress: (line) => terminal.progress(line),
      signal,
    });
    try {
      await work(cluster, signal);
    } finally {
      await cluster.stop();
    }
  });
}

/** Runs the work on a folder that is removed afterwards, or on the one that was named. */
export async function onOwnFolder(
  named: string | undefined,
  note: (line: string) => void,
  work: (dataDir: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { makeTemporaryDataDir } = await import('@pushmill/embedded');
  const interruption = takeInterruption(note);
  const folder = named === undefined ? await makeTemporaryDataDir() : undefined;
  try {
    await work(named ?? (folder?.path as string), interruption.signal);
  } catch (error) {
    if (!(error instanceof Interrupted || interruption.signal.aborted)) throw error;
    throw new CommandError('The bench was stopped before it was over.');
  } finally {
    await folder?.remove();
    interruption.release();
  }
}
