import { createHash } from 'node:crypto';
import type { EmulatorChannel, EmulatorOptions } from '../emulator.ts';
import type { App } from './emulator-checks.ts';

/** The secret follows from authority and seed, so that channels stored in an earlier run are still let in. */
export function newApp(platform: App['platform'], options: EmulatorOptions): App {
  const seeded = createHash('sha256').update(`tpns ${platform} ${options.seed} ${options.authority.key}`);
  return {
    channelName: platform === 'android' ? 'tpns' : 'tpns-ios',
    platform,
    accessId: platform === 'android' ? '1500009001' : '1600009001',
    secretKey: seeded.digest('hex').slice(0, 32),
  };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
export function channelOf(app: App, origin: string, ca: string): EmulatorChannel {
  const settings = {
    accessId: app.accessId,
    platform: app.platform,
    region: 'guangzhou',
    host: origin,
    ca,
    environment: 'product',
    audience: 'token',
    accountType: 0,
    accountPushType: 0,
    authentication: 'sign',
    missingTargetIsDead: true,
    maxMessageBytes: 4_096,
    maxExpireSeconds: 259_200,
    statistics: 'many',
    requestTimeoutMs: 10_000,
    maxConnections: 32,
    emulator: true,
  };
  return {
    name: app.channelName,
    settings,
    credential: { secretKey: app.secretKey },
    // Everybody once a second, and the same message once an hour; accounts as often as one likes.
    audiences: [{ kind: 'accounts', accounts: ['ann', 'bob'] }, { kind: 'all' }],
  };
}
