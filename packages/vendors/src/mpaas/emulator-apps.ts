import type { KeyObject } from 'node:crypto';
import { createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { madeOnce } from '../authority.ts';
import type { Authority, EmulatorChannel } from '../emulator.ts';

/** An app as the emulated vendor knows it: one per interface, each with a callback key of its own. */
export interface App {
  channelName: string;
  appId: string;
  workspaceId: string;
  /** The public key that the owner uploaded for the rest interface. */
  uploadedKey: KeyObject | undefined;
  /** The console's switch of the rest interface: off answers 3032. */
  restSwitch: boolean;
  accessKeyId: string | undefined;
  accessKeySecret: string | undefined;
  callbackKey: KeyObject;
  callbackUrl: URL | undefined;
  /** By name, with the placeholders that each needs. */
  templates: Map<string, readonly string[]>;
  schedules: Map<string, Schedule>;
}

/** A broadcast that waits for its time. It is kept until it is cancelled, and never sent. */
export interface Schedule {
  strategyType: number;
  deliveryType: number;
  pushTime: number;
  title: string;
  madeAt: number;
}

/** Whom a broadcast reaches, in every app. */
export const broadcastDevices = ['broadcast-device-1', 'broadcast-device-2', 'broadcast-device-3'] as const;

export interface Console {
  apps: readonly App[];
  channelsAt(origin: string, ca: string): EmulatorChannel[];
}

const toEverybody = { kind: 'broadcast' };
const byTemplate = { vendor: { mpaas: { templateName: 'pushmill_plain' } } };

const newKeys = promisify(generateKeyPair);

const newTemplates = () =>
  new Map<string, readonly string[]>([
    ['pushmill_plain', []],
    ['pushmill_code', ['code']],
  ]);

/** Makes the two apps with keys of their own, and the channels that reach them. */
export async function createConsole(authority: Authority): Promise<Console> {
  const keys = (of: string) =>
    madeOnce(authority, `mpaas ${of}`, () => newKeys('rsa', { modulusLength: 2048 }));
  const [restKeys, restCallback, openApiCallback] = await Promise.all([
    keys('rest'),
    keys('rest callback'),
    keys('openapi callback'),
  ]);
  const rest: App = {
    channelName: 'mpaas',
    appId: 'ONEXEMULATED0001',
    workspaceId: 'test',
    uploadedKey: restKeys.publicKey,
    restSwitch: true,
    accessKeyId: undefined,
    accessKeySecret: undefined,
    callbackKey: restCallback.privateKey,
    callbackUrl: undefined,
    templates: newTemplates(),
    schedules: new Map(),
  };
  const openApi: App = {
    channelName: 'mpaas-openapi',
    appId: 'ONEXEMULATED0002',
    workspaceId: 'test',
    uploadedKey: undefined,
    restSwitch: false,
    accessKeyId: `LTAI${randomBytes(8).toString('hex')}`,
    accessKeySecret: randomBytes(15).toString('hex'),
    callbackKey: openApiCallback.privateKey,
    callbackUrl: undefined,
    templates: newTemplates(),
    schedules: new Map(),
  };
  return {
    apps: [rest, openApi],
    channelsAt: (origin, ca) => [
      {
        name: rest.channelName,
        settings: settingsOf(rest, 'rest', origin, ca),
        credential: {
          privateKey: restKeys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
          callbackPublicKey: shownKey(rest.callbackKey),
        },
        receipts: true,
        audiences: [toEverybody],
        audienceMessage: byTemplate,
      },
      {
        name: openApi.channelName,
        settings: settingsOf(openApi, 'openapi', origin, ca),
        credential: {
          accessKeyId: openApi.accessKeyId,
          accessKeySecret: openApi.accessKeySecret,
          callbackPublicKey: shownKey(openApi.callbackKey),
        },
        receipts: true,
        audiences: [toEverybody, { ...toEverybody, pushStatus: 1, unbindPeriod: 2, androidChannel: 1 }],
        audienceMessage: byTemplate,
      },
    ],
  };
}

/** Whole settings, so that whoever skips the schema's defaults still has a working channel. */
function settingsOf(app: App, side: 'rest' | 'openapi', origin: string, ca: string): Record<string, unknown> {
  return {
    appId: app.appId,
    workspaceId: app.workspaceId,
    interface: side,
    host: origin,
    ca,
    pathPrefix: 'push',
    deliveryType: 1,
    ownChannelDelivery: true,
    iosEnvironmentChecked: false,
    actionCodes: { web: 0, intent: 1 },
    maxExpiredSeconds: 259_200,
    maxMessageBytes: 2_048,
    requestTimeoutMs: 10_000,
    maxConnections: 32,
    emulator: true,
    openapi: { signature: 'acs3', version: '2020-10-28' },
  };
}

/** A public key as the console shows it: base64 in one line. */
function shownKey(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
}
