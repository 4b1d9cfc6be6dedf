import assert from 'node:assert/strict';
import { getHeapStatistics } from 'node:v8';
import { defaultRetryPolicy, newId } from '@pushmill/core';
import type { ClaimedBatch, OpenedChannel, Standing } from '@pushmill/store';
import { vendors } from '@pushmill/vendors';
import { startApnsProcess } from '../../apps/cli/src/bench/apns-process.ts';
import type { ActiveChannel } from '../../apps/worker/src/active-channel.ts';
import { type BatchRunDeps, runBatch } from '../../apps/worker/src/batch-run.ts';
import { BatchWatch } from '../../apps/worker/src/batch-watch.ts';
import { ChannelFlow } from '../../apps/worker/src/channel-flow.ts';
import { LedgerTime } from '../../apps/worker/src/ledger-time.ts';
import { createRecording } from '../../packages/store/src/outcomes.ts';

/*
 * Prints how many bytes V8 allocates for a bulk push in a worker: from the claimed batch over the sender for APNs and its
 * connection to the statement that records the outcome. The vendor is an emulator in another process, the ledger
 * answers at once. In a process of its own, since Node's test runner follows every promise and allocates for each.
 */

const BATCH = 500;
const AT_ONCE = 8;
/** Batches. */
const WARM_UP = 40;
const MEASURED = 20;

const emulator = await startApnsProcess({ seed: 5 });
const tokens = Array.from({ length: BATCH }, () => emulator.newToken('allocations'));

/** A ledger that has as many batches as are asked for, and forgets what it is told. */
function forgetful() {
  const answer = { rows: [{ held: [], cancelled: [], paused: [] }] };
  const db = { query: async () => answer, connect: () => assert.fail() };
  const record = createRecording(db as never);
  const standing: Standing = { held: true, cancelled: [], paused: [] };
  return {
    async claim(id: string, run: number): Promise<ClaimedBatch> {
      const messageId = newId();
      const expiresAt = new Date(Date.now() + 3_600_000);
      const content = { notification: { body: 'hello' }, class: 'marketing', priority: 'normal' } as const;
      const message = {
        id: messageId,
        content,
        expiresAt,
        quietHours: undefined,
        cancelled: false,
        paused: false,
      };
      return {
        ...{ id, run, channelId: 'channel', lane: 'bulk', fence: '1', claims: 1, ledgerNow: new Date() },
        ...{ reservation: undefined, quotaHeld: false, messages: new Map([[messageId, message]]) },
        pushes: Array.from({ length: BATCH }, (_, n) => ({
          ...{ messageId, n, place: n + 1, token: tokens[n], attempts: 0, wasSending: false },
          ...{ environment: undefined, audience: undefined, expiresAt: undefined, timeZone: undefined },
        })),
      } as ClaimedBatch;
    },
    record: async (...args: Parameters<typeof record>) => ({ ...(await record(...args)), ...standing }),
    settle: async () => true,
    standings: async (held: readonly unknown[]) => held.map(() => standing),
  };
}

async function openChannel(): Promise<ActiveChannel> {
  const vendor = vendors.apns;
  const { settings } = emulator.channel;
  const { credential } = await vendor.prepareCredential(emulator.channel.credential, settings, new Date());
  const kept = new Map<string, string>();
  const shared = {
    async getOrMake(name: string, _ttlMs: number, make: () => Promise<string>) {
      const value = kept.get(name) ?? (await make());
      kept.set(name, value);
      return value;
    },
    forget: async (name: string) => void kept.delete(name),
  };
  const rate = {
    ...{ take: async () => true, takeNow: () => true, giveBack: () => {} },
    ...{ hold: async () => {}, heldForMs: () => 0 },
  };
  const channel = { id: 'channel', settings, credential };
  return {
    row: { ...channel, name: 'allocations', vendor: vendor.name, version: 1 } as unknown as OpenedChannel,
    vendor,
    sender: vendor.createSender(channel, { now: Date.now, shared, warn: () => {} }),
    policy: defaultRetryPolicy,
    flow: new ChannelFlow({
      ...{ maxInFlight: 400, rate, throttleDelayMs: () => 1, now: Date.now },
      ...{ lateMs: () => 0, random: Math.random, changed: () => {} },
    }),
    ...{ interruption: new AbortController(), paused: false, pause: () => assert.fail() },
  };
}

async function measure(): Promise<number> {
  const channel = await openChannel();
  const batches = forgetful();
  const now = () => performance.now();
  const counts: Record<string, number> = {};
  const ignore = () => {};
  const deps: BatchRunDeps = {
    store: { batches, quotas: {} } as unknown as BatchRunDeps['store'],
    watch: new BatchWatch({ store: { batches }, leaseMs: 10_000, now }),
    log: { info: ignore, warn: ignore, error: ignore },
    ...{ isLedgerAway: () => false, now, ledgerTime: new LedgerTime(now), random: Math.random },
    ...{ stopping: new AbortController().signal, cutOff: new AbortController().signal },
    observe: (_, { kind }) => {
      counts[kind] = (counts[kind] ?? 0) + 1;
    },
  };
  const run = async (total: number) => {
    let left = total;
    const taker = async () => {
      while (left-- > 0) await runBatch({ batchId: newId(), run: 0 }, channel, deps);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, taker));
  };
  try {
    // Until the compiler is done with it: what it compiles allocates less.
    await run(WARM_UP);
    const before = getHeapStatistics().total_allocated_bytes;
    await run(MEASURED);
    const bytes = (getHeapStatistics().total_allocated_bytes - before) / (MEASURED * BATCH);
    assert.deepEqual(counts, { accepted: (WARM_UP + MEASURED) * BATCH });
    return bytes;
  } finally {
    await channel.sender.close(1_000);
  }
}

try {
  console.log(JSON.stringify({ bytes: await measure() }));
} finally {
  await emulator.stop();
}
