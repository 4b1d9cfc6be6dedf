import type { Outcome } from '@pushmill/core';
import type { PoolResponse } from '@pushmill/http2';
import { Type } from 'typebox';
import type { OperationAnswer, VendorOperation } from '../vendor.ts';
import { broadcastReasons } from './broadcast-errors.ts';
import { channelIdSchema } from './channel-id.ts';
import type { ApnsCredential } from './credential.ts';
import type { Exchange } from './exchange.ts';
import type { Hosts } from './host.ts';
import { verify } from './probe.ts';
import type { ApnsSettings } from './settings.ts';

const nothing = () => Type.Object({}, { additionalProperties: false });
const oneChannel = () => Type.Object({ channelId: channelIdSchema }, { additionalProperties: false });

/** @see Apple, "Sending channel management requests to APNs" */
export const operations: Readonly<Record<string, VendorOperation>> = {
  verify: {
    summary: 'Prove the credential with a push to a device that cannot exist',
    input: nothing(),
  },
  'create-broadcast-channel': {
    summary: 'Make a broadcast channel, to which Live Activities subscribe',
    input: Type.Object(
      {
        messageStoragePolicy: Type.Union([Type.Literal(0), Type.Literal(1)], {
          description: '0: nothing is stored. 1: the latest message is kept, for at most eight hours.',
        }),
      },
      { additionalProperties: false },
    ),
  },
  'read-broadcast-channel': { summary: 'Show how a broadcast channel is set up', input: oneChannel() },
  'list-broadcast-channels': { summary: 'List the broadcast channels of the app', input: nothing() },
  'delete-broadcast-channel': { summary: 'Delete a broadcast channel for good', input: oneChannel() },
};

export interface OperationDeps {
  settings: ApnsSettings;
  credential: ApnsCredential;
  hosts: Hosts;
  exchange: Exchange;
}

/** @throws TypeError  for a name that is not among the operations */
export async function operate(
  name: string,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  deps: OperationDeps,
): Promise<OperationAnswer> {
  if (name === 'verify') return verify(signal, deps);
  const make = Object.hasOwn(requests, name) ? requests[name] : undefined;
  if (make === undefined) throw new TypeError(`APNs has no operation ${name}`);
  const host = deps.hosts.manage;
  if (host === undefined) return { outcome: noManagement };
  const { method, path, channelId, body, taken, read } = make(input);
  let result: OperationAnswer['result'];
  const outcome = await deps.exchange.run(
    host,
    {
      method,
      path: `/1/apps/${deps.settings.topic}/${path}`,
      headers: {
        'apns-request-id': crypto.randomUUID(),
        ...(channelId === undefined ? {} : { 'apns-channel-id': channelId }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    },
    { taken, reasons: broadcastReasons },
    true,
    (answer) => {
      result = read(answer);
    },
  );
  if (outcome.kind !== 'accepted') return { outcome };
  return result === undefined ? { outcome: unreadable } : { outcome, result };
}

interface Management {
  method: 'POST' | 'GET' | 'DELETE';
  path: 'channels' | 'all-channels';
  channelId?: string;
  body?: Readonly<Record<string, unknown>>;
  /** The status that means yes. */
  taken: number;
  /** Undefined when the answer is not of the form that Apple describes. */
  read: (answer: PoolResponse) => Readonly<Record<string, unknown>> | undefined;
}

type Input = Readonly<Record<string, unknown>>;

const requests: Readonly<Record<string, (input: Input) => Management>> = {
  'create-broadcast-channel': ({ messageStoragePolicy }) => ({
    method: 'POST',
    path: 'channels',
    // Here APNs spells the type so; in the header of a broadcast it is all lower case.
    body: { 'message-storage-policy': messageStoragePolicy, 'push-type': 'LiveActivity' },
    taken: 201,
    read: ({ headers }) => {
      const channelId = headers['apns-channel-id'];
      return typeof channelId === 'string' ? { channelId, messageStoragePolicy } : undefined;
    },
  }),
  'read-broadcast-channel': ({ channelId }) => ({
    method: 'GET',
    path: 'channels',
    channelId: String(channelId),
    taken: 200,
    read: (answer) => {
      const body = bodyOf(answer);
      const messageStoragePolicy = body?.['message-storage-policy'];
      if (typeof messageStoragePolicy !== 'number') return undefined;
      return { channelId, messageStoragePolicy, pushType: body?.['push-type'] };
    },
  }),
  'list-broadcast-channels': () => ({
    method: 'GET',
    path: 'all-channels',
    taken: 200,
    read: (answer) => {
      const channelIds = bodyOf(answer)?.channels;
      return Array.isArray(channelIds) ? { channelIds } : undefined;
    },
  }),
  'delete-broadcast-channel': ({ channelId }) => ({
    method: 'DELETE',
    path: 'channels',
    channelId: String(channelId),
    taken: 204,
    read: () => ({ channelId }),
  }),
};

function bodyOf(answer: PoolResponse): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(answer.body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const unreadable: Outcome = {
  kind: 'unavailable',
  code: 'unreadable-answer',
  detail: 'APNs said yes, and its answer has not the form that Apple describes.',
  mayHaveArrived: true,
};

const noManagement: Outcome = {
  kind: 'rejected',
  code: 'no-management',
  detail:
    'The channel reaches an emulator, and its setting manageOrigin names no host for broadcast channels.',
};
