import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calendarDay, isTimeZone, quotaRuleOf } from './quota.ts';

const HOUR_MS = 3_600_000;
const at = (text: string) => Date.parse(text);

describe('a day of a zone', () => {
  const cases: [zone: string, moment: string, name: string, startsAt: string, endsAt: string][] = [
    ['UTC', '2026-11-22T00:00:00Z', '2026-11-22', '2026-11-22T00:00:00Z', '2026-11-23T00:00:00Z'],
    // The last and the first millisecond.
    [
      'Asia/Shanghai',
      '2026-11-22T15:59:59.999Z',
      '2026-11-22',
      '2026-11-21T16:00:00Z',
      '2026-11-22T16:00:00Z',
    ],
    ['Asia/Shanghai', '2026-11-22T16:00:00Z', '2026-11-23', '2026-11-22T16:00:00Z', '2026-11-23T16:00:00Z'],
    // 23 hours: clocks go on at 02:00. 25 hours: they go back at 03:00.
    ['Europe/Berlin', '2026-03-29T00:30:00Z', '2026-03-29', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['Europe/Berlin', '2026-03-29T21:59:59Z', '2026-03-29', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
    ['Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
    [
      'America/New_York',
      '2026-11-01T12:00:00Z',
      '2026-11-01',
      '2026-11-01T04:00:00Z',
      '2026-11-02T05:00:00Z',
    ],
    // Clocks go on at midnight: the day begins at 01:00.
    [
      'America/Santiago',
      '2026-09-06T12:00:00Z',
      '2026-09-06',
      '2026-09-06T04:00:00Z',
      '2026-09-07T03:00:00Z',
    ],
    // Half and quarter hours.
    ['Asia/Kolkata', '2026-11-22T18:29:59Z', '2026-11-22', '2026-11-21T18:30:00Z', '2026-11-22T18:30:00Z'],
    ['Asia/Kathmandu', '2026-11-22T18:15:00Z', '2026-11-23', '2026-11-22T18:15:00Z', '2026-11-23T18:15:00Z'],
    [
      'Pacific/Kiritimati',
      '2026-11-22T10:00:00Z',
      '2026-11-23',
      '2026-11-22T10:00:00Z',
      '2026-11-23T10:00:00Z',
    ],
    // Samoa left out 30 December 2011.
    ['Pacific/Apia', '2011-12-29T20:00:00Z', '2011-12-29', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
    ['Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-31', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
  ];
  for (const [zone, moment, name, startsAt, endsAt] of cases) {
    it(`${moment} in ${zone}`, () => {
      assert.deepEqual(calendarDay(at(moment), zone), { name, startsAt: at(startsAt), endsAt: at(endsAt) });
    });
  }

  it('follows upon the day before, through a year of each zone', () => {
    for (const zone of ['Asia/Shanghai', 'Europe/Berlin', 'America/Santiago', 'Australia/Lord_Howe']) {
      const names = new Set<string>();
      const lengths = new Set<number>();
      let day = calendarDay(at('2026-01-01T12:00:00Z'), zone);
      for (let count = 0; count < 365; count += 1) {
        names.add(day.name);
        lengths.add((day.endsAt - day.startsAt) / HOUR_MS);
        const next = calendarDay(day.endsAt, zone);
        assert.equal(next.startsAt, day.endsAt, `${zone} ${day.name}`);
        assert.equal(calendarDay(day.endsAt - 1, zone).name, day.name);
        day = next;
      }
      assert.equal(names.size, 365, zone);
      assert.equal(lengths.size, zone === 'Asia/Shanghai' ? 1 : 3, `${zone}: ${[...lengths]}`);
    }
  });
});

describe('zones', () => {
  for (const [text, known] of [
    ['Asia/Shanghai', true],
    ['UTC', true],
    ['Asia/Calcutta', true],
    ['Mars/Olympus', false],
    ['+08:00', false],
    ['', false],
  ] as const) {
    it(`"${text}" is ${known ? 'one' : 'none'}`, () => assert.equal(isTimeZone(text), known));
  }
});

describe('the rule for a class', () => {
  const frame = { timeZone: 'UTC', whenSpent: 'hold' } as const;
  it('is none without a number for it', () => {
    assert.equal(quotaRuleOf(undefined, 'marketing'), undefined);
    assert.equal(quotaRuleOf({ ...frame, transactional: { perDay: 5 } }, 'marketing'), undefined);
    assert.equal(quotaRuleOf({ ...frame, perDevicePerDay: { transactional: 5 } }, 'marketing'), undefined);
  });

  it('has what the policy says of it, nothing at all included', () => {
    const quota = { ...frame, marketing: { perDay: 0 }, perDevicePerDay: { marketing: 2, transactional: 9 } };
    assert.deepEqual(quotaRuleOf(quota, 'marketing'), { ...frame, perDay: 0, perDevice: 2 });
    assert.deepEqual(quotaRuleOf(quota, 'transactional'), { ...frame, perDay: undefined, perDevice: 9 });
  });
});
