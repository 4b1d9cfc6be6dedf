import type { Cluster } from '../../cluster.ts';
import { CommandError } from '../../failure.ts';
import { describeMachine, type Machine, machineAfterwards } from '../machine.ts';
import { familyCpuMicros, processCpuMicros } from '../process-cpu.ts';
import { createProducer } from '../producer.ts';
import { alternate, type Rounds, type Spread, spreadOf } from '../rounds.ts';
import type { Callback } from './callback.ts';
import { type Hand, hire } from './crew.ts';
import { type LedgerWork, openLedgerWork } from './ledger-work.ts';
import { makeSignedCallbacks } from './signed-callbacks.ts';

export interface ReceiptsOptions {
  /** A round. */
  callbacks: number;
  rounds: number;
  connections: number;
  progress: (line: string) => void;
  signal: AbortSignal;
}

/** By the clock, of one core of the process in question, and of all its CPU. */
type Figure = 'perSecond' | 'perCore' | 'cpuMicros';

export interface Receipts {
  machine: Machine;
  channel: string;
  callbacks: number;
  rounds: number;
  connections: number;
  ours: Record<Figure, Spread>;
  bare: Record<Figure, Spread>;
  /** CPU per callback, ours to the bare verification's. */
  cpuRatio: Spread;
  /** Of the others that work for a callback. */
  postgresCpuMicros: Spread;
  loadCpuMicros: Spread;
  /** Cores in use by the three of them while callbacks come in. */
  coresInUse: { receipts: number; postgres: number; load: number };
  /** Per callback, the warm-up among them. */
  ledger: { transactions: number; rowsInserted: number; rowsUpdated: number };
  handedIn: number;
  answers: Record<string, number>;
  /** Pushes that the ledger calls delivered, with exactly one receipt. */
  deliveredOnce: number;
}

/** What one round of ours used besides. */
interface Side {
  postgresMicros: number;
  loadMicros: number;
  cores: Receipts['coresInUse'];
}

const OURS = 'receipts';
const BARE = 'bare verification';

/**
 * Has pushes sent through the mPaaS channel and keeps their callbacks, stops what is not measured, and hands them in.
 * @throws CommandError  when a callback was refused or a bare verification failed: then there is nothing to compare
 */
export async function runReceipts(cluster: Cluster, options: ReceiptsOptions): Promise<Receipts> {
  const { callbacks, rounds, connections, progress, signal } = options;
  const emulator = cluster.emulators.get('mpaas');
  const channel = cluster.channels.find(({ vendor }) => vendor === 'mpaas');
  const key = emulator?.channels.find(({ name }) => name === channel?.name)?.credential.callbackPublicKey;
  if (!emulator || !channel?.callbackUrl || typeof key !== 'string') {
    throw new CommandError('There is no emulated mPaaS channel that is called back.');
  }
  const ledger = openLedgerWork(cluster.databaseUrl);
  const hands: Hand[] = [];
  try {
    const machine = describeMachine({ Postgres: await ledger.version() });
    const handedIn = callbacks * (rounds + 1);
    const signed = await makeSignedCallbacks({
      count: handedIn,
      channel: channel.name,
      emulator,
      producer: createProducer({ urls: [cluster.url], apiKey: cluster.producerKey, signal }),
      progress,
      signal,
    });
    await ledger.settled(handedIn, signal);
    for (const role of ['worker', 'api'] as const) await cluster.roles.get(role)?.stop();

    const load = hire('load.ts', [channel.callbackUrl, String(connections)], signal);
    const verifier = hire('bare-verification.ts', [key], signal);
    hands.push(load, verifier);
    // The warm-up is round -1.
    const ofRound = (round: number) => signed.slice((round + 1) * callbacks, (round + 2) * callbacks);
    const before = await ledger.counts(0, signal);
    const answers: Record<string, number> = {};
    const sides: Side[] = [];
    const measured = await alternate<Figure>(
      [
        {
          name: OURS,
          run: async (round) => {
            const { figures, side, results } = await handIn(cluster, load, ofRound(round));
            for (const [status, count] of Object.entries(results)) {
              answers[status] = (answers[status] ?? 0) + count;
            }
            if (round >= 0) sides.push(side);
            return figures;
          },
        },
        { name: BARE, run: (round) => verifyBare(verifier, ofRound(round)) },
      ],
      { rounds, progress, signal },
    );
    const deliveredOnce = await ledger.deliveredOnce();
    return {
      machine: machineAfterwards(machine),
      channel: channel.name,
      callbacks,
      rounds,
      connections,
      ...figuresOf(measured, sides),
      ledger: await workPerCallback(ledger, before, handedIn, deliveredOnce, signal),
      handedIn,
      answers,
      deliveredOnce,
    };
  } finally {
    await Promise.all(hands.map((hand) => hand.dismiss()));
    await ledger.close();
  }
}

async function handIn(cluster: Cluster, load: Hand, callbacks: readonly Callback[]) {
  const receiptsPid = cluster.roles.get('receipts')?.pid();
  const postgresPid = cluster.postgres.pid();
  if (receiptsPid === undefined || postgresPid === undefined) {
    throw new CommandError('The receipts service or Postgres is down.');
  }
  const cpu = async () => ({
    receipts: inMs(await processCpuMicros(receiptsPid)),
    postgres: inMs(await familyCpuMicros(postgresPid)),
  });
  await load.prepare(callbacks);
  const before = await cpu();
  const { durationMs, cpuMs, results } = await load.work();
  const after = await cpu();
  const [receiptsMs, postgresMs] = [after.receipts - before.receipts, after.postgres - before.postgres];
  const side: Side = {
    postgresMicros: (postgresMs * 1_000) / callbacks.length,
    loadMicros: (cpuMs * 1_000) / callbacks.length,
    cores: { receipts: receiptsMs / durationMs, postgres: postgresMs / durationMs, load: cpuMs / durationMs },
  };
  return { figures: figuresFor(callbacks.length, durationMs, receiptsMs), side, results };
}

function inMs(micros: number | undefined): number {
  if (micros !== undefined) return micros / 1_000;
  throw new CommandError('The CPU of another process can be read only on Linux, from /proc.');
}

async function verifyBare(verifier: Hand, callbacks: readonly Callback[]): Promise<Record<Figure, number>> {
  await verifier.prepare(callbacks);
  const { durationMs, cpuMs, results } = await verifier.work();
  if (results.true !== callbacks.length) throw new CommandError('A signature of the emulator does not hold.');
  return figuresFor(callbacks.length, durationMs, cpuMs);
}

function figuresFor(count: number, durationMs: number, cpuMs: number): Record<Figure, number> {
  return {
    perSecond: (count * 1_000) / durationMs,
    perCore: (count * 1_000) / cpuMs,
    cpuMicros: (cpuMs * 1_000) / count,
  };
}

function figuresOf(measured: Rounds<Figure>, sides: readonly Side[]) {
  const of = (name: string) =>
    measured.contenders.find((one) => one.name === name)?.figures as Receipts['ours'];
  const cores = (who: keyof Side['cores']) => spreadOf(sides.map((side) => side.cores[who])).median;
  return {
    ours: of(OURS),
    bare: of(BARE),
    cpuRatio: measured.ratio('cpuMicros', OURS, BARE),
    postgresCpuMicros: spreadOf(sides.map((side) => side.postgresMicros)),
    loadCpuMicros: spreadOf(sides.map((side) => side.loadMicros)),
    coresInUse: { receipts: cores('receipts'), postgres: cores('postgres'), load: cores('load') },
  };
}

async function workPerCallback(
  ledger: LedgerWork,
  before: Awaited<ReturnType<LedgerWork['counts']>>,
  handedIn: number,
  recorded: number,
  signal: AbortSignal,
): Promise<Receipts['ledger']> {
  const after = await ledger.counts(recorded, signal);
  const perCallback = (name: keyof typeof after) => (after[name] - before[name]) / handedIn;
  return {
    transactions: perCallback('transactions'),
    rowsInserted: perCallback('rowsInserted'),
    rowsUpdated: perCallback('rowsUpdated'),
  };
}
