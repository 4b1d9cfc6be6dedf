import { setTimeout as delay } from 'node:timers/promises';
import type { Emulator, EmulatorAccount } from '@pushmill/vendors';
import { vendors } from '@pushmill/vendors';
import { redisPeakBytes } from '../measures.ts';
import {
  arrivedLate,
  CANCEL_GRACE_MS,
  type ChaosFindings,
  compareAll,
  DATING_TOLERANCE_MS,
  offenceOf,
  tellStories,
  urgentLatency,
  type VendorFindings,
} from './chaos-findings.ts';
import { sendChaosLoad } from './chaos-load.ts';
import { type Disturbances, disturb } from './disturbances.ts';
import { clockOffsets, planFaults } from './fault-plan.ts';
import { addCallsOfTheFrozen, patiently } from './in-hand.ts';
import { type Installation, startInstallation } from './installation.ts';
import { type LedgerAudit, openLedgerAudit } from './ledger-audit.ts';
import { createProducer } from './producer.ts';
import { redisBoundBytes } from './redis-bound.ts';
import { startWatch } from './watch.ts';

export interface ChaosOptions {
  pushes: number;
  seed: number;
  durationMs: number;
  dataDir: string;
  env: NodeJS.ProcessEnv;
  note: (line: string) => void;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** Nothing settled and no receipt came for this long: what is missing will not come. */
const STALLED_AFTER_MS = 90_000;
const LOOK_EVERY_MS = 500;

/** One run: breaks whatever can break while pushes go through, waits until all is settled, and collects what came of it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosFindings> {
  const installation = await startInstallation({
    ...options,
    clockOffsetsMs: clockOffsets(options.seed),
    say: (line) => options.note(`  ${line}`),
  });
  try {
    return await run(installation, options);
  } finally {
    await installation.stop();
  }
}

async function run(installation: Installation, options: ChaosOptions): Promise<ChaosFindings> {
  const { cluster, roles } = installation;
  const { signal, progress, durationMs, seed } = options;
  const audit = openLedgerAudit(installation.postgres.url);
  const emulatorOf = await emulatorsByChannelId(installation, audit);
  const producer = createProducer({ urls: installation.apiUrls, apiKey: cluster.producerKey, signal });
  const watch = startWatch();
  const peak = watchRedis(installation);
  // Ends the disturbances, whether the run came to its end or not.
  const over = new AbortController();
  try {
    const names = (kind: string) => [...roles.keys()].filter((name) => name.startsWith(kind));
    const startedAt = Date.now();
    const disturbances = disturb(
      installation,
      planFaults(seed, durationMs, {
        workers: names('worker'),
        apis: names('api'),
        wrongClocks: installation.wrongClocks,
        vendors: [...cluster.emulators.keys()],
        linedVendors: [...cluster.emulators.keys()].filter((name) => installation.lines.has(name)),
      }),
      { audit, emulatorOf, note: options.note, signal: AbortSignal.any([signal, over.signal]) },
    );
    const load = await sendChaosLoad({
      count: options.pushes,
      durationMs,
      seed,
      channels: cluster.channels.map(({ name, vendor }) => ({
        name,
        emulator: cluster.emulators.get(vendor) as Emulator,
      })),
      producer,
      watch,
      onProgress: (requested) => progress(`${requested} of ${options.pushes} pushes handed in`),
      signal,
    });
    await disturbances.finished;
    for (const emulator of cluster.emulators.values()) emulator.setFaults({});
    await untilSettled(installation, audit, load.requested, options);
    watch.stop();
    await addCallsOfTheFrozen(disturbances.inHand, audit, emulatorOf);

    const states = await audit.states();
    const brief = load.brief.map((push) => ({ push }));
    const cancelled = load.cancelled.map(({ push, acknowledgedAt }) => ({ push, endedAt: acknowledgedAt }));
    const findings = {
      seed,
      durationMs: Date.now() - startedAt,
      requested: load.requested,
      repeats: producer.repeats(),
      states,
      done: disturbances.done,
      inHand: disturbances.inHand,
      pauses: disturbances.pauses,
      vendors: await vendorFindings(installation, audit, disturbances, emulatorOf),
      ...(await compareAll(audit, emulatorOf, disturbances.inHand)),
      sentTwice: await sentTwice(audit, disturbances),
      recordedTwice: await audit.recordedTwice(),
      calledInTheFuture: await audit.calledInTheFuture(DATING_TOLERANCE_MS),
      refusals: await audit.attemptsOnRefusals(),
      afterExpiry: await audit.callsAfterExpiry(),
      afterCancel: await audit.callsAfterCancel(CANCEL_GRACE_MS),
      arrivedAfterExpiry: await arrivedLate(audit, brief, 'expiry'),
      arrivedAfterCancel: await arrivedLate(audit, cancelled, 'cancel'),
      expired: states.expired ?? 0,
      cancelled: states.cancelled ?? 0,
      redisPeakBytes: await peak.bytes(),
      redisBoundBytes: redisBoundBytes({
        channels: cluster.channels.length,
        feeders: names('worker').length + names('api').length,
      }),
      urgentMs: urgentLatency(load),
    };
    return { ...findings, stories: await tellStories(audit, findings) };
  } finally {
    over.abort();
    watch.stop();
    peak.stop();
    await audit.close();
  }
}

async function emulatorsByChannelId(
  { cluster }: Installation,
  audit: LedgerAudit,
): Promise<(channelId: string) => Emulator | undefined> {
  const vendorOf = new Map(cluster.channels.map(({ name, vendor }) => [name, vendor]));
  const byId = new Map<string, Emulator | undefined>();
  for (const { id, name } of await audit.channels()) {
    byId.set(id, cluster.emulators.get(vendorOf.get(name) ?? ''));
  }
  return (channelId) => byId.get(channelId);
}

/** Redis forgets its peak when it is killed, so it is asked all the time. */
function watchRedis({ redis }: Installation): { bytes(): Promise<number | null>; stop(): void } {
  let highest: number | null = null;
  const look = async () => {
    const bytes = await redisPeakBytes(redis.url);
    if (bytes !== null) highest = Math.max(highest ?? 0, bytes);
    return highest;
  };
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return { bytes: look, stop: () => clearInterval(timer) };
}

async function untilSettled(
  { cluster }: Installation,
  audit: LedgerAudit,
  requested: number,
  { note, progress, signal }: ChaosOptions,
): Promise<void> {
  let last = '';
  let changedAt = Date.now();
  for (;;) {
    const { queued = 0 } = await patiently(() => audit.states());
    const accounts = [...cluster.emulators.values()].map((emulator) => emulator.account());
    const sent = accounts.reduce((sum, account) => sum + account.receiptsSent, 0);
    const taken = accounts.reduce((sum, account) => sum + account.receiptsTaken, 0);
    progress(`${requested - queued} of ${requested} settled, ${taken} of ${sent} receipts in`);
    if (queued === 0 && sent === taken) return;
    const now = `${queued} ${sent} ${taken}`;
    if (now !== last) changedAt = Date.now();
    last = now;
    if (Date.now() - changedAt > STALLED_AFTER_MS) {
      note(`Nothing has changed for ${STALLED_AFTER_MS / 1000} s: what is missing will not come.`);
      return;
    }
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

async function vendorFindings(
  { cluster }: Installation,
  audit: LedgerAudit,
  { inHand }: Disturbances,
  emulatorOf: (channelId: string) => Emulator | undefined,
): Promise<Record<string, VendorFindings>> {
  const unanswered = new Map<string, number>();
  for (const [channelId, count] of await audit.unanswered()) {
    const vendor = emulatorOf(channelId)?.vendor ?? '';
    unanswered.set(vendor, (unanswered.get(vendor) ?? 0) + count);
  }
  const found: Record<string, VendorFindings> = {};
  for (const [name, emulator] of cluster.emulators) {
    const account = emulator.account();
    found[name] = {
      ...account,
      hasIdentity: vendors[name as keyof typeof vendors].hasIdentity,
      inHand: inHand.reduce((sum, { byVendor }) => sum + (byVendor[name]?.length ?? 0), 0),
      unanswered: unanswered.get(name) ?? 0,
      forgeriesTaken: forgeriesTaken(emulator, account),
    };
  }
  return found;
}

/** Only emulators of vendors that sign can tell: a forged call to a secret address is as good as a real one. */
function forgeriesTaken(emulator: Emulator, { receiptsForged = 0 }: EmulatorAccount): number | null {
  const told = emulator as Emulator & { refusedForgeries?: () => number };
  return told.refusedForgeries ? receiptsForged - told.refusedForgeries() : null;
}

/** Accepted twice by the ledger's own record, and in no silent worker's hands in between. */
async function sentTwice(audit: LedgerAudit, { inHand }: Disturbances) {
  const explained = new Set(inHand.flatMap(({ byVendor }) => Object.values(byVendor).flat()));
  return offenceOf((await audit.acceptedTwice()).filter((id) => !explained.has(id)));
}
