import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { knownZone, momentOf, type QuietHours, quietUntil, readWallClock } from './wall-clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const night = { from: '22:00', to: '08:00' };

const aZone = fc.oneof(
  fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
  fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Kiritimati'),
);
/** When clocks change in some of them. */
const changes = [
  ...['2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T05:30Z', '2026-11-01T04:30Z'],
  ...['2026-04-04T15:00Z', '2026-10-03T15:30Z'],
].map((text) => Date.parse(text));
const aMoment = fc.oneof(
  fc.integer({ min: Date.UTC(2020), max: Date.UTC(2036) }),
  fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -3 * HOUR_MS, max: 3 * HOUR_MS }))
    .map(([change, offMs]) => change + offMs),
);

const formats = new Map<string, Intl.DateTimeFormat>();
/** What a clock shows, by another part of the runtime, with a time zone database of its own. */
function shownAt(at: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (!format) {
    const two = '2-digit';
    format = new Intl.DateTimeFormat('sv-SE-u-ca-gregory-nu-latn', {
      ...{ timeZone, year: 'numeric', month: two, day: two, hour: two, minute: two, second: two },
    });
    formats.set(timeZone, format);
  }
  return format.format(at).replace(' ', 'T');
}

describe('the moment when clocks show a time', () => {
  const cases: [zone: string, shown: string, moment: string][] = [
    ['UTC', '2026-11-23T09:00', '2026-11-23T09:00:00Z'],
    ['Asia/Shanghai', '2026-11-23T09:00', '2026-11-23T01:00:00Z'],
    ['Asia/Shanghai', '2026-11-23T09:00:30', '2026-11-23T01:00:30Z'],
    ['Pacific/Kiritimati', '2026-11-23T09:00', '2026-11-22T19:00:00Z'],
    ['America/St_Johns', '2026-11-23T09:00', '2026-11-23T12:30:00Z'],
    ['America/St_Johns', '2026-07-23T09:00', '2026-07-23T11:30:00Z'],
    // Put forward from 02:00 to 03:00: what is not shown is the moment of the change.
    ['Europe/Berlin', '2026-03-29T01:59', '2026-03-29T00:59:00Z'],
    ['Europe/Berlin', '2026-03-29T02:00', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-03-29T03:00', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-03-29T03:01', '2026-03-29T01:01:00Z'],
    // Put back from 03:00 to 02:00: the first time that it is shown.
    ['Europe/Berlin', '2026-10-25T02:00', '2026-10-25T00:00:00Z'],
    ['Europe/Berlin', '2026-10-25T02:30', '2026-10-25T00:30:00Z'],
    ['Europe/Berlin', '2026-10-25T03:00', '2026-10-25T02:00:00Z'],
    // Half an hour forward.
    ['Australia/Lord_Howe', '2026-10-04T02:15', '2026-10-03T15:30:00Z'],
    // A day that Samoa left out.
    ['Pacific/Apia', '2011-12-30T09:30', '2011-12-30T10:00:00Z'],
  ];
  for (const [zone, shown, moment] of cases) {
    it(`${shown} in ${zone}`, () => {
      assert.equal(new Date(momentOf(shown, zone)).toISOString(), new Date(moment).toISOString());
    });
  }

  it('is shown as asked, and not before; else clocks jumped over it just then', () => {
    fc.assert(
      fc.property(aZone, aMoment, fc.integer({ min: -3 * HOUR_MS, max: 3 * HOUR_MS }), (zone, at, offMs) => {
        // Near what the zone's clocks show, at times that may be skipped or shown twice.
        const asked = new Date(Date.parse(`${shownAt(at, zone)}Z`) + offMs).toISOString().slice(0, 19);
        const found = momentOf(asked, zone);
        const shown = shownAt(found, zone);
        if (shown === asked) {
          for (const beforeMs of [30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS]) {
            assert.notEqual(shownAt(found - beforeMs, zone), asked);
          }
        } else {
          assert.ok(shown > asked, `${shown} instead of ${asked}`);
          assert.ok(shownAt(found - 1, zone) < asked);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is none on days that no calendar has', () => {
    for (const text of ['2026-02-30T09:00', '2026-13-01T09:00', '2026-02-29T09:00', '09:00', '']) {
      assert.equal(readWallClock(text), undefined, text);
    }
    assert.equal(readWallClock('2028-02-29T09:00'), Date.UTC(2028, 1, 29, 9));
  });
});

describe('quiet hours', () => {
  const cases: [zone: string, hours: QuietHours, at: string, until: string | undefined][] = [
    ['Asia/Shanghai', night, '2026-11-23T13:59:59Z', undefined],
    ['Asia/Shanghai', night, '2026-11-23T14:00:00Z', '2026-11-24T00:00:00Z'],
    ['Asia/Shanghai', night, '2026-11-23T23:59:59Z', '2026-11-24T00:00:00Z'],
    ['Asia/Shanghai', night, '2026-11-24T00:00:00Z', undefined],
    ['America/St_Johns', night, '2026-11-23T03:00:00Z', '2026-11-23T11:30:00Z'],
    ['Pacific/Kiritimati', night, '2026-11-23T10:00:00Z', '2026-11-23T18:00:00Z'],
    // Within a day.
    ['UTC', { from: '12:30', to: '14:00' }, '2026-11-23T13:00:00Z', '2026-11-23T14:00:00Z'],
    ['UTC', { from: '12:30', to: '14:00' }, '2026-11-23T15:00:00Z', undefined],
    ['UTC', { from: '22:00', to: '00:00' }, '2026-11-23T23:00:00Z', '2026-11-24T00:00:00Z'],
    ['UTC', { from: '00:00', to: '06:00' }, '2026-11-23T00:00:00Z', '2026-11-23T06:00:00Z'],
    // A night of nine hours, and one of eleven.
    ['Europe/Berlin', night, '2026-03-28T21:00:00Z', '2026-03-29T06:00:00Z'],
    ['Europe/Berlin', night, '2026-10-24T20:00:00Z', '2026-10-25T07:00:00Z'],
    // Ends at a time that is not shown: when clocks jump over it.
    ['Europe/Berlin', { from: '22:00', to: '02:30' }, '2026-03-29T00:30:00Z', '2026-03-29T01:00:00Z'],
    // … unless they jump into the next quiet hours.
    ['Europe/Berlin', { from: '02:45', to: '02:30' }, '2026-03-29T00:30:00Z', '2026-03-30T00:30:00Z'],
    // Ends at a time that is shown twice: quiet again when clocks were put back before it.
    ['Europe/Berlin', { from: '22:00', to: '02:30' }, '2026-10-25T00:10:00Z', '2026-10-25T00:30:00Z'],
    ['Europe/Berlin', { from: '22:00', to: '02:30' }, '2026-10-25T00:40:00Z', undefined],
    ['Europe/Berlin', { from: '22:00', to: '02:30' }, '2026-10-25T01:10:00Z', '2026-10-25T01:30:00Z'],
  ];
  for (const [zone, hours, at, until] of cases) {
    it(`${hours.from} to ${hours.to} in ${zone}, asked at ${at}`, () => {
      const found = quietUntil(Date.parse(at), hours, zone);
      assert.equal(found, until && Date.parse(until));
    });
  }

  it('end later, at a time that is not quiet, the moment before being so', () => {
    const quietAt = (at: number, zone: string, { from, to }: QuietHours) => {
      const clock = shownAt(at, zone).slice(11, 16);
      return from < to ? from <= clock && clock < to : clock >= from || clock < to;
    };
    const two = (number: number) => String(number).padStart(2, '0');
    const aClock = fc.integer({ min: 0, max: 95 }).map((n) => `${two(n >> 2)}:${two((n & 3) * 15)}`);
    const hours = fc.record({ from: aClock, to: aClock }).filter(({ from, to }) => from !== to);
    fc.assert(
      fc.property(aZone, aMoment, hours, (zone, at, quiet) => {
        const until = quietUntil(at, quiet, zone);
        assert.equal(until !== undefined, quietAt(at, zone, quiet));
        if (until === undefined) return;
        assert.ok(until > at && until <= at + 50 * HOUR_MS);
        assert.ok(!quietAt(until, zone, quiet) && quietAt(until - 1, zone, quiet));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('zones where clocks can be told', () => {
  it('are those of the database', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) assert.equal(knownZone(zone), zone);
    for (const zone of ['UTC', 'US/Pacific', 'Asia/Calcutta']) assert.equal(knownZone(zone), zone);
  });
  for (const zone of ['PST', 'Mars/Olympus', '+08:00', '2026-01-01T00:00[Asia/Shanghai]', '']) {
    it(`"${zone}" is none`, () => assert.equal(knownZone(zone), undefined));
  }
});
