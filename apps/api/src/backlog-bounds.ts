import type { Lane } from '@pushmill/core';

export interface BacklogBounds {
  /** Pushes that may wait over all channels. */
  maxBacklog: number;
  /** Longest that urgent pushes of a channel may have waited. */
  maxUrgentAgeSeconds: number;
}

/** What waits before a message in its lane: urgent pushes overtake bulk ones, so these do not count for them. */
export type Waiting = Record<Lane, number>;

export interface ChannelStanding {
  name: string;
  isPaused: boolean;
  /** Its own bound, by its policy. */
  maxBacklog: number | undefined;
  pushes: Waiting;
  /** How late its urgent pushes are. */
  urgentAgeSeconds: number;
}

export interface WholeStanding {
  pushes: Waiting;
  /** Channels on which something waits. */
  channels: number;
}

/** A bound that is reached, and what it means to who asked. */
export interface Excess {
  /** One or two sentences. */
  detail: string;
  /** For `RateLimit-Limit`. */
  limit: number;
  retryAfterSeconds: number;
}

const RETRY_SECONDS = 10;
const LATE_RETRY_SECONDS = 30;
/** A person has to do something first. */
const PAUSED_RETRY_SECONDS = 60;

/**
 * Why a message may not be taken now; undefined when it may. Pure; asked for each channel of a message.
 *
 * - A channel is full for a lane when its own bound waits before it.
 * - When the bound of all is reached, channels that hold less than an even share of it are still served, so that one
 *   dead vendor does not shut out the others. At twice the bound nobody is.
 * - While a channel's urgent pushes are late, it takes no bulk, and of urgent messages those that would be over before
 *   they are sent: their producer learns in time to take another way. All others are taken, because to wait is what
 *   the ledger is for.
 *
 * A message is let in whole while there is any room, or one larger than the bound could never be sent.
 * @param lifeSeconds  until the message expires; undefined when it is for later, which lateness of now says nothing of
 */
export function excessOf(
  message: { lane: Lane; lifeSeconds: number | undefined },
  channel: ChannelStanding,
  whole: WholeStanding,
  bounds: BacklogBounds,
): Excess | undefined {
  const own = before(message.lane, channel.pushes);
  if (channel.maxBacklog !== undefined && own >= channel.maxBacklog) {
    const where = `On the channel ${channel.name} ${pushes(own, message.lane)} and`;
    return full(where, channel.maxBacklog, 'maxBacklog of its policy', channel);
  }
  const all = before(message.lane, whole.pushes);
  const share = bounds.maxBacklog / Math.max(1, whole.channels);
  if (all >= bounds.maxBacklog && own >= share) {
    const where = `On all channels ${pushes(all, message.lane)} and`;
    return full(where, bounds.maxBacklog, 'PUSHMILL_MAX_BACKLOG', channel);
  }
  const everything = before('bulk', whole.pushes);
  if (everything >= 2 * bounds.maxBacklog) {
    const where = `On all channels ${pushes(everything)} and`;
    return full(where, 2 * bounds.maxBacklog, 'twice PUSHMILL_MAX_BACKLOG', channel);
  }
  const age = channel.urgentAgeSeconds;
  if (message.lifeSeconds === undefined || age <= bounds.maxUrgentAgeSeconds) return undefined;
  const late = `On the channel ${channel.name} transactional pushes have waited for ${Math.round(age)} s`;
  const again = `try again in ${LATE_RETRY_SECONDS} s.`;
  const rest = { limit: 0, retryAfterSeconds: LATE_RETRY_SECONDS };
  if (message.lane === 'bulk') return { detail: `${late}, so it takes no marketing now; ${again}`, ...rest };
  if (message.lifeSeconds > age) return undefined;
  const life = Math.max(0, Math.round(message.lifeSeconds));
  return { detail: `${late}, and this message would be over in ${life} s; ${again}`, ...rest };
}

/** What a person should know of how it stands; by `key`, one line for as long as it lasts. */
export interface Complaint {
  key: string;
  alert: 'backlog.full' | 'backlog.late';
  says: string;
  fields: Record<string, unknown>;
}

export function complaintsOf(
  channels: Iterable<ChannelStanding & { id: string }>,
  whole: WholeStanding,
  bounds: BacklogBounds,
): Complaint[] {
  const complaints: Complaint[] = [];
  const full = (key: string, where: string, waiting: number, bound: number, fields: object) => {
    if (waiting < bound) return;
    const says = `${where}: ${pushes(waiting)}, ${count(bound)} are allowed`;
    complaints.push({ key, alert: 'backlog.full', says, fields: { ...fields, waiting, bound } });
  };
  full('', 'all channels', before('bulk', whole.pushes), bounds.maxBacklog, {});
  for (const { id, name, maxBacklog, pushes: waiting, urgentAgeSeconds } of channels) {
    const own = before('bulk', waiting);
    full(`full ${id}`, `channel ${name}`, own, maxBacklog ?? Number.POSITIVE_INFINITY, { channel: name });
    if (urgentAgeSeconds <= bounds.maxUrgentAgeSeconds) continue;
    const seconds = Math.round(urgentAgeSeconds);
    complaints.push({
      key: `late ${id}`,
      alert: 'backlog.late',
      says: `channel ${name}: transactional pushes have waited for ${seconds} s`,
      fields: { channel: name, seconds, boundSeconds: bounds.maxUrgentAgeSeconds },
    });
  }
  return complaints;
}

function before(lane: Lane, waiting: Waiting): number {
  return lane === 'urgent' ? waiting.urgent : waiting.urgent + waiting.bulk;
}

function full(where: string, limit: number, by: string, { name, isPaused }: ChannelStanding): Excess {
  const retryAfterSeconds = isPaused ? PAUSED_RETRY_SECONDS : RETRY_SECONDS;
  const paused = isPaused ? ` The channel ${name} is paused until a person resumes it.` : '';
  return {
    detail: `${where} ${count(limit)} are allowed (${by}), so nothing of the message was taken.${paused} Try again in ${retryAfterSeconds} s.`,
    limit,
    retryAfterSeconds,
  };
}

function pushes(waiting: number, lane: Lane = 'bulk'): string {
  const kind = lane === 'urgent' ? 'transactional ' : '';
  return waiting === 1 ? `1 ${kind}push waits` : `${count(waiting)} ${kind}pushes wait`;
}

function count(number: number): string {
  return number.toLocaleString('en');
}
