import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { measureExpiries, watchCredentials } from './credential-watch.ts';

const DAY_MS = 86_400_000;
const start = new Date('2026-11-22T12:00:00Z');
const at = (days: number) => new Date(start.getTime() + days * DAY_MS);

type Watched = Parameters<typeof watchCredentials>[0][number];
const channel = (name: string, expiresAt?: string) =>
  ({
    row: { id: name, name, vendor: 'apns', credentialShown: { kind: 'certificate', expiresAt } },
    vendor: { title: 'Apple' },
  }) as unknown as Watched;

/** The ledger's rule in memory: each channel's fewest days, said once. */
function world() {
  const said = new Map<string, number>();
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const line = (level: string) => (fields: Record<string, unknown>, message: string) =>
    void lines.push({ level, fields, message });
  const deps = (now: Date) => ({
    store: {
      channels: {
        async warnOfExpiry(id: string, _expiresAt: string, days: number) {
          if ((said.get(id) ?? Infinity) <= days) return false;
          said.set(id, days);
          return true;
        },
      },
    },
    log: { warn: line('warn'), error: line('error') },
    now: () => now,
  });
  return { lines, deps };
}

describe('watchCredentials', () => {
  it('speaks at 30, 14, 7 and 1 days and at the end, and not in between', async () => {
    const { lines, deps } = world();
    const channels = [channel('ios', at(40).toISOString()), channel('other'), channel('odd', 'tomorrow')];
    const told: [day: number, level: string, days: unknown][] = [];
    for (let day = 0; day <= 45; day += 0.5) {
      await watchCredentials(channels, deps(at(day)));
      for (const { level, fields } of lines.splice(0)) told.push([day, level, fields.days]);
    }
    assert.deepEqual(told, [
      [10, 'warn', 30],
      [26, 'warn', 14],
      [33, 'warn', 7],
      [39, 'error', 1],
      [40, 'error', 0],
    ]);
  });

  it('names the channel, the time and the remedy', async () => {
    const { lines, deps } = world();
    await watchCredentials([channel('ios', at(6.5).toISOString())], deps(start));
    assert.equal(lines.length, 1);
    const [line] = lines;
    assert.ok(line);
    const { fields } = line;
    assert.equal(line.message, 'credential.expiring');
    assert.partialDeepStrictEqual(fields, {
      channel: 'ios',
      vendor: 'apns',
      days: 6,
      expiresAt: '2026-11-29T00:00:00.000Z',
      detail: 'The credential of the channel ios expires in 6 days.',
    });
    assert.match(String(fields.remedy), /from Apple .*"pushmill channels rotate ios"/);
  });

  it('says only the nearest when it sees a channel late', async () => {
    const { lines, deps } = world();
    await watchCredentials([channel('ios', at(-3).toISOString())], deps(start));
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields.detail]),
      [['error', 'The credential of the channel ios expired 3 days ago.']],
    );
  });
});

describe('measureExpiries', () => {
  it('tells seconds of each credential that has an end, and forgets channels that are gone', () => {
    const values = new Map<string, number>();
    const gauge = {
      reset: () => values.clear(),
      set: (labels: { vendor: string; channel: string }, value: number) =>
        void values.set(`${labels.vendor}/${labels.channel}`, value),
    };
    measureExpiries([channel('a', at(1).toISOString()), channel('b')], gauge, start);
    assert.deepEqual([...values], [['apns/a', 86_400]]);
    measureExpiries([channel('c', at(-1).toISOString())], gauge, start);
    assert.deepEqual([...values], [['apns/c', -86_400]]);
  });
});
