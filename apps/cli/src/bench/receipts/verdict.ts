import { table } from '../../table.ts';
import { machineText } from '../machine.ts';
import { spreadText } from '../rounds.ts';
import type { Receipts } from './receipts.ts';

/** What the design promises of one core of the receipts service. */
const LEAST_PER_CORE = 5_000;
/** Of a core, or of all of them: then it is taken. */
const BUSY = 0.9;

export interface Verdict {
  leastPerCore: number;
  isFastEnough: boolean;
  /** Every callback was answered 2xx, and every push is delivered with one receipt. */
  isComplete: boolean;
  /** What was at its end; null when nothing was. */
  limit: 'receipts' | 'machine' | null;
  holds: boolean;
}

export function judgeReceipts(found: Receipts): Verdict {
  const { ours, handedIn, deliveredOnce, coresInUse, machine } = found;
  const good = Object.entries(found.answers).filter(([status]) => status.startsWith('2'));
  const answered = good.reduce((sum, [, count]) => sum + count, 0);
  const isFastEnough = ours.perCore.median >= LEAST_PER_CORE;
  const isComplete = answered === handedIn && deliveredOnce === handedIn;
  const all = coresInUse.receipts + coresInUse.postgres + coresInUse.load;
  const isFull = all >= BUSY * machine.cores;
  return {
    leastPerCore: LEAST_PER_CORE,
    isFastEnough,
    isComplete,
    limit: coresInUse.receipts >= BUSY ? 'receipts' : isFull ? 'machine' : null,
    holds: isFastEnough && isComplete,
  };
}

const limits = {
  receipts: "The limit was the receipts service's one core.",
  machine:
    'The limit was the machine: all of its cores were taken, most of them not by the receipts service.',
};

export function receiptsText(found: Receipts, verdict: Verdict): string {
  const { ours, bare, ledger, coresInUse: cores } = found;
  const row = (name: string, { perSecond, perCore, cpuMicros }: Receipts['ours']) => [
    name,
    spreadText(perSecond),
    spreadText(cpuMicros, 1),
    spreadText(perCore),
  ];
  return [
    machineText(found.machine),
    `${found.rounds} rounds of ${found.callbacks} signed callbacks through ${found.channel}, ${found.connections} at a time; medians, with the least and the most`,
    '',
    table(
      ['signed callbacks', 'a second', 'CPU µs each', 'a second and core'],
      [row('HTTP, verified, recorded', ours), row('bare RSA verification', bare)],
    ),
    '',
    `CPU against the bare verification: ${spreadText(found.cpuRatio, 2)} times`,
    `besides, a callback: Postgres ${spreadText(found.postgresCpuMicros, 1)} µs, the load ${spreadText(found.loadCpuMicros, 1)} µs`,
    `cores in use: receipts ${cores.receipts.toFixed(2)}, Postgres ${cores.postgres.toFixed(2)}, the load ${cores.load.toFixed(2)}`,
    `in the ledger, a callback: ${ledger.transactions.toFixed(3)} transactions, ${ledger.rowsInserted.toFixed(2)} rows inserted, ${ledger.rowsUpdated.toFixed(2)} updated`,
    ...(verdict.limit ? [limits[verdict.limit]] : []),
    '',
    completeness(found, verdict),
    `One core of the receipts service records ${verdict.isFastEnough ? '' : 'NOT '}at least ${verdict.leastPerCore} callbacks a second.`,
  ].join('\n');
}

function completeness({ handedIn, deliveredOnce, answers }: Receipts, { isComplete }: Verdict): string {
  if (isComplete) return `All ${handedIn} pushes are delivered, each with one receipt.`;
  const told = Object.entries(answers).map(([status, count]) => `${count} answered ${status}`);
  return `Of ${handedIn} pushes ${deliveredOnce} are delivered with one receipt; callbacks: ${told.join(', ')}.`;
}
