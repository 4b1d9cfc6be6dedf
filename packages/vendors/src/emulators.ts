import { startApnsEmulator } from './apns/emulator.ts';
import { startBaiduEmulator } from './baidu/emulator.ts';
import type { Emulator, EmulatorOptions } from './emulator.ts';
import { startFcmEmulator } from './fcm/emulator.ts';
import type { VendorName } from './index.ts';
import { startMpaasEmulator } from './mpaas/emulator.ts';
import { startTpnsEmulator } from './tpns/emulator.ts';

export { seededRandom } from './answer-plan.ts';
export { createAuthority } from './authority.ts';

export const emulators: Readonly<Record<VendorName, (options: EmulatorOptions) => Promise<Emulator>>> = {
  apns: startApnsEmulator,
  baidu: startBaiduEmulator,
  fcm: startFcmEmulator,
  mpaas: startMpaasEmulator,
  tpns: startTpnsEmulator,
};
