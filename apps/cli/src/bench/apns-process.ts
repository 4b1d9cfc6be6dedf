import { randomBytes } from 'node:crypto';
import type { EmulatorChannel } from '@pushmill/vendors';
import type { ApnsGiven, ApnsReady, ApnsTold } from './apns-process-main.ts';
import type { MeasuredChannel } from './latency.ts';
import { startSideProcess } from './side-process.ts';

/** An APNs emulator in a process of its own, which tells when it took what. Times are of the steady clock. */
export interface ApnsProcess extends Omit<MeasuredChannel['emulator'], 'takenAt'> {
  /** What a channel that is authenticated by token needs to reach it. */
  readonly channel: Pick<EmulatorChannel, 'settings' | 'credential'>;
  /** Aborts when the process dies. */
  readonly died: AbortSignal;
  /** Of an urgent push: when it came, or undefined. */
  takenAt(push: { identity: string }): number | undefined;
  /** Pushes taken by now, or a twentieth of a second ago. */
  taken(): number;
  stop(): Promise<void>;
}

export async function startApnsProcess(given: ApnsGiven): Promise<ApnsProcess> {
  const urgent = new Map<string, number>();
  let taken = 0;
  const side = await startSideProcess<ApnsReady, ApnsTold>(
    new URL('./apns-process-main.ts', import.meta.url),
    given,
    (told) => {
      if (told.kind === 'urgent') urgent.set(told.identity, told.at);
      else taken = told.taken;
    },
  );
  return {
    channel: side.ready.channel,
    died: side.died,
    // One that nobody made is good everywhere.
    newToken: () => randomBytes(32).toString('hex'),
    hasTaken: ({ identity }) => urgent.has(identity),
    takenAt: ({ identity }) => urgent.get(identity),
    taken: () => taken,
    stop: () => side.stop(),
  };
}
