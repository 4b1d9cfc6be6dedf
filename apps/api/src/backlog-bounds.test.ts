import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lane } from '@pushmill/core';
import { type ChannelStanding, complaintsOf, excessOf, type Waiting } from './backlog-bounds.ts';

const bounds = { maxBacklog: 1_000, maxUrgentAgeSeconds: 300 };
const all = (urgent: number, bulk: number): Waiting => ({ urgent, bulk });

function channel(urgent: number, bulk: number, change: Partial<ChannelStanding> = {}): ChannelStanding {
  const pushes = all(urgent, bulk);
  return { name: 'ios', isPaused: false, maxBacklog: undefined, pushes, urgentAgeSeconds: 0, ...change };
}

/** Undefined for what is taken. */
type Case = [string, Lane, number | undefined, ChannelStanding, Waiting, number, RegExp | undefined];

describe('what may not be taken', () => {
  const day = 86_400;
  const cases: Case[] = [
    ['nothing waits', 'bulk', day, channel(0, 0), all(0, 0), 0, undefined],
    ['one below the bound', 'bulk', day, channel(0, 999), all(0, 999), 1, undefined],
    ['at the bound', 'bulk', day, channel(0, 1_000), all(0, 1_000), 1, /^On all channels 1,000 pushes wait/],
    ['urgent ones count for bulk', 'bulk', day, channel(600, 400), all(600, 400), 1, /1,000 pushes wait/],
    ['bulk ones do not count for urgent', 'urgent', day, channel(1, 1_500), all(1, 1_500), 1, undefined],
    ['too many urgent', 'urgent', day, channel(1_000, 0), all(1_000, 0), 1, /1,000 transactional pushes/],
    ['less than a share', 'bulk', day, channel(0, 499), all(0, 1_499), 2, undefined],
    ['an even share', 'bulk', day, channel(0, 500), all(0, 1_500), 2, /1,500 pushes wait and 1,000 are/],
    [
      'a channel of its own, at twice the bound',
      'bulk',
      day,
      channel(0, 0),
      all(0, 2_000),
      4,
      /2,000 .*twice/,
    ],
    ['urgent, at twice the bound', 'urgent', day, channel(0, 0), all(0, 2_000), 4, /2,000 pushes wait/],
    ['one below its own bound', 'bulk', day, channel(0, 9, { maxBacklog: 10 }), all(0, 9), 1, undefined],
    [
      'at its own bound',
      'bulk',
      day,
      channel(0, 10, { maxBacklog: 10 }),
      all(0, 10),
      1,
      /channel ios 10 pushes/,
    ],
    ['that bulk fills', 'urgent', day, channel(0, 10, { maxBacklog: 10 }), all(0, 10), 1, undefined],
    [
      'that urgent fill',
      'urgent',
      day,
      channel(10, 0, { maxBacklog: 10 }),
      all(10, 0),
      1,
      /10 transactional/,
    ],
    ['not late yet', 'bulk', day, channel(1, 0, { urgentAgeSeconds: 300 }), all(1, 0), 1, undefined],
    [
      'bulk while late',
      'bulk',
      day,
      channel(1, 0, { urgentAgeSeconds: 301 }),
      all(1, 0),
      1,
      /301 s, so it takes no/,
    ],
    [
      'a long life while late',
      'urgent',
      302,
      channel(1, 0, { urgentAgeSeconds: 301 }),
      all(1, 0),
      1,
      undefined,
    ],
    [
      'a short life while late',
      'urgent',
      60,
      channel(1, 0, { urgentAgeSeconds: 301 }),
      all(1, 0),
      1,
      /over in 60 s/,
    ],
    [
      'for later, while late',
      'bulk',
      undefined,
      channel(1, 0, { urgentAgeSeconds: 301 }),
      all(1, 0),
      1,
      undefined,
    ],
  ];
  for (const [name, lane, lifeSeconds, standing, pushes, channels, says] of cases) {
    it(`${lane}: ${name}`, () => {
      const excess = excessOf({ lane, lifeSeconds }, standing, { pushes, channels }, bounds);
      if (says) assert.match(excess?.detail ?? 'taken', says);
      else assert.equal(excess, undefined);
    });
  }

  it('waits for a person where the channel is paused', () => {
    const paused = channel(0, 1_000, { isPaused: true });
    const excess = excessOf(
      { lane: 'bulk', lifeSeconds: day },
      paused,
      { pushes: paused.pushes, channels: 1 },
      bounds,
    );
    assert.equal(excess?.retryAfterSeconds, 60);
    assert.match(excess?.detail ?? '', /ios is paused until a person resumes it/);
  });

  it('stays within twice the bound, whatever stands still in turn', () => {
    const channels = Array.from({ length: 50 }, () => channel(0, 0));
    const whole = () => ({
      pushes: all(
        0,
        channels.reduce((sum, one) => sum + one.pushes.bulk, 0),
      ),
      channels: channels.filter((one) => one.pushes.bulk > 0).length,
    });
    for (const one of channels) {
      while (!excessOf({ lane: 'bulk', lifeSeconds: day }, one, whole(), bounds)) one.pushes.bulk += 1;
    }
    assert.equal(channels[0]?.pushes.bulk, 1_000, 'the first has all for itself');
    assert.equal(whole().pushes.bulk, 2_000);
  });
});

describe('what a person is told', () => {
  it('is each bound that is reached', () => {
    const standings = [
      { id: 'a', ...channel(10, 990, { maxBacklog: 1_000, urgentAgeSeconds: 400.4 }) },
      { id: 'b', ...channel(0, 5, { name: 'ipad', maxBacklog: 6 }) },
    ];
    const complaints = complaintsOf(standings, { pushes: all(10, 995), channels: 2 }, bounds);
    assert.deepEqual(
      complaints.map(({ alert, says }) => [alert, says]),
      [
        ['backlog.full', 'all channels: 1,005 pushes wait, 1,000 are allowed'],
        ['backlog.full', 'channel ios: 1,000 pushes wait, 1,000 are allowed'],
        ['backlog.late', 'channel ios: transactional pushes have waited for 400 s'],
      ],
    );
    assert.equal(new Set(complaints.map(({ key }) => key)).size, 3);
  });

  it('is nothing where no bound is set', () => {
    const none = { maxBacklog: Number.POSITIVE_INFINITY, maxUrgentAgeSeconds: Number.POSITIVE_INFINITY };
    const standing = { id: 'a', ...channel(1e9, 1e9, { urgentAgeSeconds: 1e6 }) };
    const whole = { pushes: standing.pushes, channels: 1 };
    assert.deepEqual(complaintsOf([standing], whole, none), []);
    assert.equal(excessOf({ lane: 'bulk', lifeSeconds: 1 }, standing, whole, none), undefined);
  });
});
