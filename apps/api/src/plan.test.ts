import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChannelRow } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import type { MessageBody } from './message-schema.ts';
import { planMessage } from './plan.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const channel = (name: string, settings: Record<string, unknown>): ChannelRow => ({
  id: `id-of-${name}`,
  appId: 'app',
  name,
  vendor: 'apns',
  state: 'paused',
  pausedReason: null,
  settings,
  policy: {},
  credentialShown: { kind: 'token' },
  callbackKey: 'k',
  version: 1,
  createdAt: new Date(now),
  updatedAt: new Date(now),
});
const settings = { topic: 'a.b', environment: 'production', port: 443, collapse: 'identity' };
const channels = new Map(
  [channel('ios', settings), channel('ipad', settings)].map((row) => [row.name, row] as const),
);
const noDevices = { of: () => undefined, tooMany: undefined };
const token = 'ab'.repeat(32);
const body = (change: Partial<MessageBody> = {}): MessageBody => ({
  class: 'transactional',
  notification: { title: 'Hi' },
  to: [{ channel: 'ios', token }],
  ...change,
});
const plan = (change: Partial<MessageBody> = {}) => {
  const planned = planMessage(body(change), { appId: 'app', channels, devices: noDevices, vendors, now });
  assert.equal(planned.kind, 'planned', JSON.stringify(planned));
  return planned as Extract<typeof planned, { kind: 'planned' }>;
};

describe('planMessage', () => {
  it('fills in what was not said', () => {
    const { message, rejected } = plan();
    assert.deepEqual(rejected, []);
    assert.equal(message.lane, 'urgent');
    assert.equal(message.sendAt, null);
    assert.equal(message.expiresAt.getTime(), now + 86_400_000);
    assert.deepEqual(message.content, {
      class: 'transactional',
      priority: 'high',
      notification: { title: 'Hi' },
      data: null,
      collapseKey: null,
      vendor: {},
    });
    const bulk = plan({ class: 'marketing' }).message;
    assert.deepEqual([bulk.lane, bulk.content.priority], ['bulk', 'normal']);
    assert.equal(plan({ class: 'marketing', priority: 'high' }).message.content.priority, 'high');
  });

  it('counts the life of a message from when it may be sent', () => {
    const { message } = plan({ sendAt: '2026-11-22T13:00:00+01:00', ttlSeconds: 60 });
    assert.equal(message.sendAt, null);
    assert.equal(message.expiresAt.toISOString(), '2026-11-22T12:01:00.000Z');
    const later = plan({ sendAt: '2026-11-22T15:00:00Z', ttlSeconds: 60 }).message;
    assert.equal(later.sendAt?.toISOString(), '2026-11-22T15:00:00.000Z');
    assert.equal(later.expiresAt.toISOString(), '2026-11-22T15:01:00.000Z');
    // Just past means now, and takes nothing from the life.
    const past = plan({ sendAt: '2026-11-22T11:55:00Z', ttlSeconds: 60 }).message;
    assert.deepEqual([past.sendAt, past.expiresAt.getTime()], [null, now + 60_000]);
  });

  it('numbers what can be sent, and only that; a token may be in two channels', () => {
    const { message, rejected } = plan({
      to: [
        { channel: 'ios', tokens: ['bad', token] },
        { channel: 'ipad', token },
        { channel: 'ios', token },
        { channel: 'none', tokens: [token, token] },
        { channel: 'ios', token, tokens: [token] },
      ],
    });
    assert.deepEqual(message.recipients, [
      { channelId: 'id-of-ios', token },
      { channelId: 'id-of-ipad', token },
    ]);
    assert.deepEqual(
      rejected.map(({ index, pointer, code }) => `${index} ${pointer} ${code}`),
      [
        '0 /to/0/tokens/0 wrong-token-form',
        '2 /to/2/token duplicate-recipient',
        '3 /to/3/channel unknown-channel',
        '4 /to/4/token required',
      ],
    );
    assert.ok(!JSON.stringify(rejected).includes(token));
  });

  it('sends to the devices that were found, each once and where it is filed', () => {
    const device = (name: string, change: object = {}) => ({
      channelId: 'id-of-ios',
      channel: 'ios',
      token: name.repeat(64),
      environment: null,
      timeZone: null,
      queries: [],
      ...change,
    });
    const found = {
      vip: {
        active: [
          device('a'),
          device('b', { environment: 'production' }),
          device('c', { environment: 'sandbox' }),
          // Of a channel that had the name before, and of one that is gone.
          device('d', { channelId: 'another' }),
          device('e', { channel: 'gone' }),
        ],
        dead: 2,
        misfiled: 1,
      },
      same: { active: [device('a')], dead: 0, misfiled: 0 },
      gone: { active: [device('e', { channel: 'gone' })], dead: 1, misfiled: 0 },
    };
    const devices = {
      of: ({ tag }: { tag?: string }) => (tag === undefined ? undefined : found[tag as keyof typeof found]),
      tooMany: undefined,
    };
    const to = [{ tag: 'vip' }, { tag: 'same' }, { tag: 'gone' }, { channel: 'ios', token: 'c'.repeat(64) }];
    const planned = planMessage(body({ to }), { appId: 'app', channels, devices, vendors, now });
    assert.ok(planned.kind === 'planned');
    assert.deepEqual(planned.message.recipients, [
      { channelId: 'id-of-ios', token: 'a'.repeat(64) },
      { channelId: 'id-of-ios', token: 'b'.repeat(64) },
      { channelId: 'id-of-ios', token: 'c'.repeat(64), environment: 'sandbox' },
    ]);
    assert.deepEqual(
      planned.rejected.map(({ pointer, code }) => `${pointer} ${code}`),
      [
        '/to/0/tag device-dead',
        '/to/0/tag device-misfiled',
        '/to/1/tag duplicate-recipient',
        '/to/2/tag no-device',
        '/to/3/token duplicate-recipient',
      ],
    );
    const many = planMessage(body({ to }), {
      appId: 'app',
      channels,
      devices: { ...devices, tooMany: '/to/0/tag' },
      vendors,
      now,
    });
    assert.equal(many.kind === 'refused' && many.problem.errors[0]?.pointer, '/to/0/tag');
  });

  it('tells every contradiction at once', () => {
    const planned = planMessage(
      body({
        notification: { click: { type: 'screen' } },
        sendAt: '2027-11-22T12:00:00Z',
      }),
      { appId: 'app', channels, devices: noDevices, vendors, now },
    );
    assert.equal(planned.kind, 'refused');
    assert.deepEqual(planned.kind === 'refused' && planned.problem.errors.map(({ pointer }) => pointer), [
      '/notification/click/name',
      '/sendAt',
    ]);
  });
});
