import type { DeviceQuery, ResolvedDevice, ResolvedDevices } from '@pushmill/store';
import { type MessageBody, maxRecipients, maxTags } from './message-schema.ts';
import { fieldsProblem } from './problem.ts';

type Entry = MessageBody['to'][number];

/** What the ledger knows of the users, tags and devices in a message's `to`, so that planning needs no ledger. */
export interface MeantDevices {
  /** Undefined for an entry that means no devices of ours. */
  of(entry: Entry): EntryDevices | undefined;
  /** The names of their channels. */
  channels: ReadonlySet<string>;
  /** Where in the message it is that means more than one message may have; undefined if nothing does. */
  tooMany: string | undefined;
}

export interface EntryDevices {
  active: readonly ResolvedDevice[];
  /** Those that are not sent to, counted. */
  dead: number;
  misfiled: number;
}

type Resolve = (queries: readonly DeviceQuery[], limit: number) => Promise<ResolvedDevices>;

const nobody: ResolvedDevices = { active: [], passedOver: [] };

/**
 * Looks up all devices that a message is for, in one query; in none for a message to tokens.
 * @throws ProblemError  422 when it names more tags than are looked up for one message
 */
export async function resolveDevices(body: MessageBody, resolve: Resolve): Promise<MeantDevices> {
  // Named twice, looked up once.
  const queries = new Map<
    string,
    { query: DeviceQuery; found: EntryDevices & { active: ResolvedDevice[] } }
  >();
  for (const entry of body.to) {
    const query = queryOf(entry);
    if (query) queries.set(nameOf(query), { query, found: { active: [], dead: 0, misfiled: 0 } });
  }
  const asked = [...queries.values()];
  if (asked.filter(({ query }) => query.by === 'tag').length > maxTags) {
    const detail = `to names more than ${maxTags} tags; send several messages.`;
    throw fieldsProblem('invalid-message', [{ pointer: '/to', code: 'too-many', detail }]);
  }
  const resolved =
    asked.length === 0
      ? nobody
      : await resolve(
          asked.map(({ query }) => query),
          maxRecipients + 1,
        );
  for (const device of resolved.active) {
    for (const place of device.queries) asked[place]?.found.active.push(device);
  }
  for (const { query, state, count } of resolved.passedOver) {
    const found = asked[query]?.found;
    if (found) found[state] = count;
  }
  const of = (entry: Entry) => {
    const query = queryOf(entry);
    return query && queries.get(nameOf(query))?.found;
  };
  return {
    of,
    channels: new Set(resolved.active.map((device) => device.channel)),
    tooMany: resolved.active.length > maxRecipients ? tooLargeIn(body.to, of) : undefined,
  };
}

/** The entry that is too large by itself; all of `to` when they are only together. */
function tooLargeIn(to: readonly Entry[], of: MeantDevices['of']): string {
  const index = to.findIndex((entry) => (of(entry)?.active.length ?? 0) > maxRecipients);
  const entry = to[index];
  return entry ? `/to/${index}/${deviceFieldOf(entry)}` : '/to';
}

/** By which of its fields an entry means devices. */
export function deviceFieldOf(entry: Entry): DeviceQuery['by'] | undefined {
  return (['user', 'tag', 'device'] as const).find((field) => entry[field] !== undefined);
}

/**
 * Why devices of an entry are not sent to: what is passed over beside others, or that nothing is left.
 * @param others  whether the entry has devices that can be sent to
 */
export function leftOut(
  field: string,
  { dead, misfiled }: Pick<EntryDevices, 'dead' | 'misfiled'>,
  others: boolean,
): { code: string; detail: string }[] {
  const reasons = [
    ...(dead > 0 ? [{ code: 'device-dead', words: deadWords(dead) }] : []),
    ...(misfiled > 0 ? [{ code: 'device-misfiled', words: misfiledWords(misfiled) }] : []),
  ];
  if (others || (field === 'device' && reasons.length > 0)) {
    return reasons.map(({ code, words }) => ({
      code,
      detail: `${words}; not sent to until registered again.`,
    }));
  }
  const why = reasons.map(({ words }) => words).join(', and ');
  return [{ code: 'no-device', detail: `the app has no such device to send to${why && `: ${why}`}.` }];
}

function deadWords(count: number): string {
  return count === 1 ? 'the token of one device is dead' : `the tokens of ${count} devices are dead`;
}

function misfiledWords(count: number): string {
  return count === 1
    ? 'the token of one device is not known in the environment that it is filed under'
    : `the tokens of ${count} devices are not known in the environment that they are filed under`;
}

function queryOf(entry: Entry): DeviceQuery | undefined {
  const by = deviceFieldOf(entry);
  return by && { by, value: entry[by] as string, channel: entry.channel ?? null };
}

function nameOf({ by, value, channel }: DeviceQuery): string {
  return JSON.stringify([by, value, channel]);
}
