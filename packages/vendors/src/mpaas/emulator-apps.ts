import type { KeyObject } from 'node:crypto';
import { createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { EmulatorChannel } from '../emulator.ts';

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
}

export interface Console {
  apps: readonly App[];
  channelsAt(origin: string, ca: string): EmulatorChannel[];
}

const newKeys = promisify(generateKeyPair);

/** Makes the two apps with fresh keys, and the channels that reach them. */
export async function createConsole(): Promise<Console> {
  const [restKeys, restCallback, openApiCallback] = await Promise.all([
    newKeys('rsa', { modulusLength: 2048 }),
    newKeys('rsa', { modulusLength: 2048 }),
    newKeys('rsa', { modulusLength: 2048 }),
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
      },
      {
        name: openApi.channelName,
        settings: settingsOf(openApi, 'openapi', origin, ca),
        credential: {
          accessKeyId: openApi.accessKeyId,
          accessKeySecret: openApi.accessKeySecret,
          callbackPublicKey: shownKey(openApi.callbackKey),
        },
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
