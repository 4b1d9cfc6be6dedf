import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator } from '@pushmill/vendors';
import type { Cluster } from '../cluster.ts';
import { CommandError } from '../failure.ts';
import { type Latency, measureLatency } from './latency.ts';
import { openLedgerAudit } from './ledger-audit.ts';
import { createProducer } from './producer.ts';

export interface LanesOptions {
  /** Bulk pushes that wait on the channel. */
  backlog: number;
  perSecond: number;
  seconds: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

export interface Lanes {
  channel: string;
  backlog: number;
  /** Bulk pushes that still waited when the last urgent one was sent. */
  left: number;
  bulkPerSecond: number;
  urgent: Latency;
  /** Where the time goes, by the ledger. */
  calls: { beginP99Ms: number | null; callP99Ms: number | null };
  limitMs: number;
  holds: boolean;
}

/** What the design promises of urgent pushes behind a million bulk ones. */
const LIMIT_MS = 250;
const RECIPIENTS_A_MESSAGE = 25_000;
/** Bulk goes at its full speed when the first urgent push is sent. */
const UNDER_WAY = 200;

/** Fills one channel with bulk while it is paused, lets it go, and sends urgent pushes behind it. */
export async function runLanes(cluster: Cluster, options: LanesOptions): Promise<Lanes> {
  const { backlog, progress, signal } = options;
  const [channel] = cluster.channels;
  const emulator = cluster.emulators.get(channel?.vendor ?? '');
  if (!channel || !emulator) throw new CommandError('There is no emulator with a channel.');
  const producer = createProducer({ urls: [cluster.url], apiKey: cluster.producerKey, signal });
  await cluster.client.channels.pause(channel.name);
  for (let sent = 0; sent < backlog; sent += RECIPIENTS_A_MESSAGE) {
    const size = Math.min(RECIPIENTS_A_MESSAGE, backlog - sent);
    await producer.send(bulkMessage(channel.name, emulator, size), `backlog-${sent}`);
    progress(`${sent + size} of ${backlog} bulk pushes wait`);
  }
  await cluster.client.channels.resume(channel.name);
  const taken = () => emulator.account().accepted;
  while (taken() < Math.min(UNDER_WAY, backlog)) await delay(50, undefined, { signal });

  const [before, startedAt] = [taken(), Date.now()];
  progress(`Urgent pushes for ${options.seconds} s`);
  const found = await measureLatency({
    ...options,
    channels: [{ name: channel.name, emulator }],
    producer,
    name: 'urgent',
  });
  const urgent = found.get(channel.name) as Latency;
  const bulk = taken() - before - (urgent.sent - urgent.missing);
  const left = backlog - before - bulk;
  return {
    channel: channel.name,
    backlog,
    left,
    bulkPerSecond: Math.round(bulk / ((Date.now() - startedAt) / 1_000)),
    urgent,
    calls: await callsOf(cluster.databaseUrl),
    limitMs: LIMIT_MS,
    holds: left > 0 && urgent.missing === 0 && urgent.p99Ms !== null && urgent.p99Ms < LIMIT_MS,
  };
}

async function callsOf(databaseUrl: string): Promise<Lanes['calls']> {
  const audit = openLedgerAudit(databaseUrl);
  try {
    return await audit.urgentCalls();
  } finally {
    await audit.close();
  }
}

function bulkMessage(channel: string, emulator: Emulator, size: number) {
  return {
    class: 'marketing' as const,
    notification: { title: 'Offer', body: 'Ten per cent off' },
    to: [{ channel, tokens: Array.from({ length: size }, () => emulator.newToken(channel)) }],
  };
}

export function lanesText({
  channel,
  backlog,
  left,
  bulkPerSecond,
  urgent,
  calls,
  limitMs,
  holds,
}: Lanes): string {
  return [
    `${backlog} bulk pushes waited on ${channel}; they went at ${bulkPerSecond}/s, and ${left} were left at the end`,
    `${urgent.sent} urgent pushes, from the request until the vendor has it: p50 ${urgent.p50Ms} ms, p99 ${urgent.p99Ms} ms${urgent.missing > 0 ? `, ${urgent.missing} missing` : ''}`,
    `at p99 the api had answered after ${urgent.answeredP99Ms} ms, the call had begun after ${calls.beginP99Ms} ms, and it took ${calls.callP99Ms} ms`,
    left > 0
      ? `p99 ${holds ? 'is' : 'is NOT'} under ${limitMs} ms.`
      : 'The backlog ran out before the end: take a larger one, or fewer seconds.',
  ].join('\n');
}
