import { startApnsEmulator } from './apns/emulator.ts';
import type { Emulator, EmulatorOptions } from './emulator.ts';
import type { VendorName } from './index.ts';
import { startMpaasEmulator } from './mpaas/emulator.ts';

export { createAuthority } from './authority.ts';

export const emulators: Readonly<Record<VendorName, (options: EmulatorOptions) => Promise<Emulator>>> = {
  apns: startApnsEmulator,
  mpaas: startMpaasEmulator,
};
