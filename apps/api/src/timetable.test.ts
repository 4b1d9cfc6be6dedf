import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MessageBody } from './message-schema.ts';
import { planTime } from './timetable.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const minute = 60_000;
const night = { from: '22:00', to: '08:00' };
const body = (change: Partial<MessageBody>): MessageBody => ({ class: 'marketing', to: [], ...change });

function plan(change: Partial<MessageBody>, time = now) {
  const planned = planTime(body({ ttlSeconds: 600, ...change }), time);
  assert.ok('slotOf' in planned, JSON.stringify(planned));
  return planned;
}

/** When a zone gets it: `now`, a moment, or not at all; always checking that it lives ten minutes from then. */
function dueIn(zone: string | null, change: Partial<MessageBody>, time = now): string {
  const slot = plan(change, time).slotOf(zone);
  if (!slot) return 'never';
  assert.equal(slot.expiresAt?.getTime(), (slot.dueAt?.getTime() ?? time) + 10 * minute);
  return slot.dueAt?.toISOString() ?? 'now';
}

describe('sendAtLocal', () => {
  const sendAtLocal = '2026-11-23T09:00';
  for (const [zone, due] of [
    ['Pacific/Kiritimati', '2026-11-22T19:00:00.000Z'],
    ['Asia/Shanghai', '2026-11-23T01:00:00.000Z'],
    ['Europe/Berlin', '2026-11-23T08:00:00.000Z'],
    ['America/St_Johns', '2026-11-23T12:30:00.000Z'],
    ['Etc/GMT+12', '2026-11-23T21:00:00.000Z'],
  ] as const) {
    it(`is due in ${zone} at ${due}`, () => assert.equal(dueIn(zone, { sendAtLocal }), due));
  }

  it('is due where the message says, else by UTC, for who has no zone; and for who has one that is none', () => {
    assert.equal(dueIn(null, { sendAtLocal }), '2026-11-23T09:00:00.000Z');
    assert.equal(dueIn('Mars/Olympus', { sendAtLocal }), '2026-11-23T09:00:00.000Z');
    const timeZone = 'Asia/Shanghai';
    for (const zone of [null, 'Mars/Olympus']) {
      assert.equal(dueIn(zone, { sendAtLocal, timeZone }), '2026-11-23T01:00:00.000Z');
    }
    assert.equal(dueIn('Europe/Berlin', { sendAtLocal, timeZone }), '2026-11-23T08:00:00.000Z');
  });

  it('is due on days when clocks change', () => {
    const berlin = (sendAtLocal: string, time: string) =>
      dueIn('Europe/Berlin', { sendAtLocal }, Date.parse(time));
    assert.equal(berlin('2026-03-29T02:30', '2026-03-20T00:00Z'), '2026-03-29T01:00:00.000Z');
    assert.equal(berlin('2026-10-25T02:30', '2026-10-20T00:00Z'), '2026-10-25T00:30:00.000Z');
  });

  it('means now for ten minutes more, then nobody; or now as well, if that is asked for', () => {
    // In Shanghai 2026-11-22T20:00.
    for (const [local, skip, sendNow] of [
      ['2026-11-22T20:01', '2026-11-22T12:01:00.000Z', '2026-11-22T12:01:00.000Z'],
      ['2026-11-22T20:00', 'now', 'now'],
      ['2026-11-22T19:50', 'now', 'now'],
      ['2026-11-22T19:49:59', 'never', 'now'],
      ['2026-11-22T09:00', 'never', 'now'],
    ] as const) {
      assert.equal(dueIn('Asia/Shanghai', { sendAtLocal: local }), skip, local);
      assert.equal(dueIn('Asia/Shanghai', { sendAtLocal: local, ifPassed: 'skip' }), skip, local);
      assert.equal(dueIn('Asia/Shanghai', { sendAtLocal: local, ifPassed: 'send-now' }), sendNow, local);
    }
  });

  it('lets the message begin with the first of its recipients', () => {
    const planned = plan({ sendAtLocal, timeZone: 'Asia/Shanghai' });
    const slots = ['Europe/Berlin', 'Pacific/Kiritimati', 'America/St_Johns'].map((zone) =>
      planned.slotOf(zone),
    );
    assert.deepEqual(planned.whole(slots.map((slot) => ({ channelId: 'c', token: 't', ...slot }))), {
      sendAt: new Date('2026-11-22T19:00Z'),
      expiresAt: new Date('2026-11-22T19:10Z'),
      localTime: { sendAtLocal, timeZone: 'Asia/Shanghai', quietHours: null },
    });
    const atOnce = { channelId: 'c', token: 't', dueAt: null };
    assert.partialDeepStrictEqual(planned.whole([atOnce]), {
      sendAt: null,
      expiresAt: new Date(now + 10 * minute),
    });
  });
});

describe('quiet hours', () => {
  it('put off what falls into them at the device, and nothing else', () => {
    // In Shanghai 20:00, in Kiritimati 02:00, in St. John's 08:30.
    const quietHours = night;
    assert.equal(dueIn('Asia/Shanghai', { quietHours }), 'now');
    assert.equal(dueIn('Pacific/Kiritimati', { quietHours }), '2026-11-22T18:00:00.000Z');
    assert.equal(dueIn('America/St_Johns', { quietHours }), 'now');
    assert.equal(dueIn(null, { quietHours, timeZone: 'Pacific/Kiritimati' }), '2026-11-22T18:00:00.000Z');
    const sendAt = '2026-11-22T15:00:00Z';
    assert.equal(dueIn('Asia/Shanghai', { quietHours, sendAt }), '2026-11-23T00:00:00.000Z');
    assert.equal(dueIn('Europe/Berlin', { quietHours, sendAt }), '2026-11-22T15:00:00.000Z');
    const sendAtLocal = '2026-11-23T23:30';
    assert.equal(dueIn('Europe/Berlin', { quietHours, sendAtLocal }), '2026-11-24T07:00:00.000Z');
  });

  it('tell where the device’s clock is; without them nobody needs to know', () => {
    const { slotOf } = plan({ quietHours: night, timeZone: 'Asia/Tokyo' });
    const zones = ['Asia/Shanghai', null, 'Mars/Olympus'].map((zone) => slotOf(zone)?.timeZone);
    assert.deepEqual(zones, ['Asia/Shanghai', 'Asia/Tokyo', 'Asia/Tokyo']);
    assert.ok(!('timeZone' in (plan({ sendAtLocal: '2026-11-23T09:00' }).slotOf('Asia/Tokyo') ?? {})));
  });
});

describe('what a message says of time', () => {
  const cases: [name: string, change: Partial<MessageBody>, expected: string[]][] = [
    [
      'two moments',
      { sendAt: '2026-11-23T09:00:00Z', sendAtLocal: '2026-11-23T09:00' },
      ['/sendAtLocal not-allowed'],
    ],
    ['no such day', { sendAtLocal: '2026-11-31T09:00' }, ['/sendAtLocal wrong-format']],
    ['more than 30 days ahead', { sendAtLocal: '2026-12-22T12:01' }, ['/sendAtLocal too-large']],
    [
      'the past of all zones',
      { sendAtLocal: '2026-11-21T23:49', ifPassed: 'send-now' },
      ['/sendAtLocal too-small'],
    ],
    ['no zone', { quietHours: night, timeZone: 'PST' }, ['/timeZone wrong-format']],
    ['a zone for nothing', { timeZone: 'Asia/Shanghai' }, ['/timeZone not-allowed']],
    ['ifPassed for nothing', { ifPassed: 'send-now', quietHours: night }, ['/ifPassed not-allowed']],
    [
      'quiet hours for what is urgent',
      { class: 'transactional', quietHours: night },
      ['/quietHours not-allowed'],
    ],
    ['no quiet hours', { quietHours: { from: '08:00', to: '08:00' } }, ['/quietHours/to not-allowed']],
    [
      'all of it at once',
      {
        class: 'transactional',
        quietHours: night,
        timeZone: 'Mars',
        sendAtLocal: '2026-02-30T09:00',
        sendAt: 'x',
      },
      [
        '/quietHours not-allowed',
        '/sendAt wrong-format',
        '/sendAtLocal not-allowed',
        '/sendAtLocal wrong-format',
        '/timeZone wrong-format',
      ],
    ],
  ];
  for (const [name, change, expected] of cases) {
    it(`is refused: ${name}`, () => {
      const planned = planTime(body(change), now);
      assert.ok('problems' in planned);
      assert.deepEqual(planned.problems.map(({ pointer, code }) => `${pointer} ${code}`).sort(), expected);
    });
  }

  it('may be at the very bounds', () => {
    assert.equal(dueIn('UTC', { sendAtLocal: '2026-12-22T12:00' }), '2026-12-22T12:00:00.000Z');
    assert.equal(dueIn('Etc/GMT+12', { sendAtLocal: '2026-11-21T23:50' }), 'now');
    assert.equal(dueIn('Etc/GMT+12', { sendAtLocal: '2026-11-22T00:01' }), '2026-11-22T12:01:00.000Z');
  });

  it('may be null', () => {
    const nothing = { sendAt: null, sendAtLocal: null, timeZone: null, ifPassed: null, quietHours: null };
    assert.deepEqual(plan(nothing).whole([]), { sendAt: null, expiresAt: new Date(now + 10 * minute) });
    assert.deepEqual(plan(nothing).slotOf('Asia/Shanghai'), {});
  });
});
