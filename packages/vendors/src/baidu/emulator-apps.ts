import { randomBytes } from 'node:crypto';
import type { EmulatorChannel } from '../emulator.ts';

/** An app as the emulated vendor knows it. */
export interface EmulatedApp {
  channelName: string;
  api: 'rest-3.0' | 'channel-2.0' | 'spp';
  /** API key, or appkey. */
  name: string;
  /** Secret key, or masterkey. */
  secret: string;
  /** 3 Android, 4 iOS. */
  deviceType: '3' | '4';
  /** Whoever was sent to by name: what "all devices" means here. */
  devices: Set<string>;
  /** Devices by tag. */
  tags: Map<string, Set<string>>;
  messages: Map<string, SentMessage>;
  timers: Map<string, Timer>;
  callbackUrl: URL | undefined;
}

/** A message to many devices, of which reports are kept. */
export interface SentMessage {
  id: string;
  topic: string | undefined;
  /** Unix seconds; ahead of now for one that waits. */
  sendTime: number;
  arrived: number;
  failed: boolean;
}

export interface Timer {
  id: string;
  messageId: string;
  sendTime: number;
}

/** The tag that every app of the emulator has from the start. */
export const firstTag = 'news';

export function newApps(): readonly EmulatedApp[] {
  return [
    newApp('baidu', 'rest-3.0', '3'),
    newApp('baidu-ios', 'rest-3.0', '4'),
    newApp('baidu-2', 'channel-2.0', '3'),
    newApp('baidu-spp', 'spp', '3'),
  ];
}

function newApp(channelName: string, api: EmulatedApp['api'], deviceType: '3' | '4'): EmulatedApp {
  const key = () => randomBytes(24).toString('base64url').replaceAll(/[-_]/g, '7');
  return {
    channelName,
    api,
    deviceType,
    name: key(),
    secret: key(),
    devices: new Set(),
    tags: new Map([[firstTag, new Set()]]),
    messages: new Map(),
    timers: new Map(),
    callbackUrl: undefined,
  };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
export function channelOf(app: EmulatedApp, origin: string, ca: string): EmulatorChannel {
  const { api, name, secret } = app;
  const condition = [{ key: 'tags', values: [firstTag], operate: 'or' }];
  return {
    name: app.channelName,
    settings: {
      api,
      platform: app.deviceType === '3' ? 'android' : 'ios',
      deployStatus: 'production',
      host: origin,
      ca,
      signedScheme: 'https',
      maxDevicesPerCall: 10_000,
      privateMessages: false,
      maxIosMessageBytes: 2_048,
      sppDataField: 'extras',
      requestTimeoutMs: 10_000,
      maxConnections: 32,
      emulator: true,
    },
    credential: api === 'spp' ? { appKey: name, masterKey: secret } : { apiKey: name, secretKey: secret },
    receipts: api === 'spp',
    audiences: [
      { kind: 'all' },
      { kind: 'tag', tag: firstTag },
      ...(api === 'rest-3.0' ? [{ kind: 'selector', selector: { tags: [firstTag] } }] : []),
      ...(api === 'spp'
        ? [
            { kind: 'selector', selector: condition },
            { kind: 'cuids', cuids: ['cuid-1', 'cuid-2'] },
          ]
        : []),
    ],
  };
}
