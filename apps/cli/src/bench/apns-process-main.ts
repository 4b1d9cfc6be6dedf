import type { IncomingHttpHeaders } from 'node:http2';
import type { Emulator, EmulatorChannel, EmulatorOptions } from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import { serveSide } from './side-process.ts';
import { steadyMs } from './watch.ts';

export interface ApnsGiven {
  seed: number;
}

export interface ApnsReady {
  channel: Pick<EmulatorChannel, 'settings' | 'credential'>;
}

/** `at` is of the steady clock. */
export type ApnsTold = { kind: 'urgent'; identity: string; at: number } | { kind: 'count'; taken: number };

const COUNT_EVERY_MS = 50;
/** APNs is told 10 for what is to be shown at once. */
const URGENT = '10';

/** What this emulator can besides: it tells of every push that it takes. */
type StartApns = (
  options: EmulatorOptions & {
    onPush: (push: { identity: string; headers: IncomingHttpHeaders }) => void;
  },
) => Promise<Emulator>;

await serveSide<ApnsGiven, ApnsReady, ApnsTold>(async ({ seed }, tell) => {
  const start: StartApns = emulators.apns;
  let taken = 0;
  let told = 0;
  const emulator = await start({
    port: 0,
    authority: await createAuthority(),
    seed,
    onPush({ identity, headers }) {
      taken += 1;
      if (headers['apns-priority'] === URGENT) tell({ kind: 'urgent', identity, at: steadyMs() });
    },
  });
  setInterval(() => {
    if (taken === told) return;
    told = taken;
    tell({ kind: 'count', taken });
  }, COUNT_EVERY_MS);
  const { settings, credential } = emulator.channels[0] as EmulatorChannel;
  return { channel: { settings, credential } };
});
