import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from '@pushmill/client';
import type { Emulator, Faults } from '@pushmill/vendors';
import { askRedis } from '../redis-dialog.ts';
import { type Disturbance, disturbanceText, type Planned } from './fault-plan.ts';
import { type InHand, measureInHand } from './in-hand.ts';
import type { Installation } from './installation.ts';
import type { LedgerAudit } from './ledger-audit.ts';

/** Trouble that goes on all the time, as probabilities per push. */
const steadyFaults: Faults = {
  throttled: 0.0005,
  unavailable: 0.01,
  timeout: 0.0001,
  reset: 0.0005,
  goaway: 0.0005,
  slow: 0.01,
  'token-dead': 0.003,
  rejected: 0.005,
  dropped: 0.01,
  'duplicate-receipt': 0.01,
  'late-receipt': 0.01,
  'forged-receipt': 0.01,
};
const stormFaults: Faults = { throttled: 0.2, unavailable: 0.3, slow: 0.3, timeout: 0.005, reset: 0.01 };

/**
 * Of the pushes of a channel whose credential is refused; the first one stops the channel. Not all of them: emulators
 * keep what they drew for each push of a call, and refuse it later too, when the credential is long repaired.
 */
const REFUSED = 0.1;
/** A refusal that nobody met, since the vendor's line was down meanwhile, goes on for at most so long. */
const UNSEEN_MS = 15_000;

export interface Done {
  atMs: number;
  what: string;
}

export interface Disturbances {
  /** What was done, when. */
  readonly done: Done[];
  readonly inHand: InHand[];
  /** Channels that stopped, and why. */
  readonly pauses: { atMs: number; vendor: string; channel: string; code: string; expected: boolean }[];
  /** Resolves when everything planned was done and undone. */
  finished: Promise<void>;
}

/** Does what is planned at its times, and undoes what does not end by itself. */
export function disturb(
  installation: Installation,
  planned: readonly Planned[],
  options: {
    audit: LedgerAudit;
    emulatorOf: (channelId: string) => Emulator | undefined;
    note: (line: string) => void;
    signal: AbortSignal;
  },
): Disturbances {
  const { cluster, roles, lines, redis, postgres } = installation;
  const { note, signal } = options;
  const startedAt = Date.now();
  const sinceStart = () => Date.now() - startedAt;
  const done: Done[] = [];
  const inHand: InHand[] = [];
  const pauses: Disturbances['pauses'] = [];
  const refusing = new Set<string>();
  const storming = new Set<string>();

  function setFaults(vendor: string): void {
    const emulator = cluster.emulators.get(vendor);
    if (refusing.has(vendor)) emulator?.setFaults({ misconfigured: REFUSED });
    else emulator?.setFaults(storming.has(vendor) ? { ...steadyFaults, ...stormFaults } : steadyFaults);
  }

  const say = (what: string) => {
    done.push({ atMs: sinceStart(), what });
    note(`${(sinceStart() / 1000).toFixed(1)} s: ${what}`);
  };

  async function silence(worker: string): Promise<InHand> {
    const found = await measureInHand(worker, options.audit, options.emulatorOf);
    inHand.push(found);
    return found;
  }

  /** A credential that is refused until it is repaired, or bad answers for a while. */
  async function forAWhile(
    vendor: string,
    set: Set<string>,
    forMs: number,
    seen: () => boolean = () => true,
  ): Promise<void> {
    set.add(vendor);
    setFaults(vendor);
    const endMs = sinceStart() + forMs;
    while (sinceStart() < endMs || (!seen() && sinceStart() < endMs + UNSEEN_MS)) {
      await delay(100, undefined, { signal });
    }
    set.delete(vendor);
    setFaults(vendor);
  }

  const isStopped = (vendor: string, sinceMs: number) => () =>
    pauses.some((pause) => pause.atMs >= sinceMs && pause.vendor === vendor);

  async function perform(one: Disturbance): Promise<void> {
    say(disturbanceText(one));
    switch (one.kind) {
      case 'kill': {
        const role = roles.get(one.target);
        role?.kill('SIGKILL');
        if (role?.name === 'worker') await silence(one.target);
        return;
      }
      case 'freeze': {
        const role = roles.get(one.target);
        const from = new Date();
        role?.kill('SIGSTOP');
        const [found] = await Promise.all([
          silence(one.target),
          delay(one.forMs, undefined, { signal }).catch(() => undefined),
        ]);
        // Also when the run was stopped: a frozen process would not hear that it shall end.
        role?.kill('SIGCONT');
        found.frozen = { from, to: new Date() };
        return;
      }
      case 'kill-redis':
        return signalTo(redis.pid(), 'SIGKILL');
      case 'flush-redis':
        await askRedis(redis.url, [['FLUSHALL']]);
        return;
      case 'restart-postgres':
        // Its fast shutdown; its supervision starts it again.
        return signalTo(postgres.pid(), 'SIGINT');
      case 'stall':
        lines.get(one.target)?.stall(one.forMs);
        return delay(one.forMs, undefined, { signal });
      case 'cut':
        return lines.get(one.target)?.cut();
      case 'set-clock':
        return roles.get(one.target)?.kill('SIGUSR2');
      case 'refuse-credential':
        return forAWhile(one.target, refusing, one.forMs, isStopped(one.target, sinceStart()));
      case 'storm':
        return forAWhile(one.target, storming, one.forMs);
      default:
        return one satisfies never;
    }
  }

  /** The operator, who finds channels paused and repairs them. */
  async function repair(): Promise<void> {
    const channels = await cluster.client.channels.list().catch((): Channel[] => []);
    for (const channel of channels.filter(({ state }) => state === 'paused')) {
      const reason = channel.pausedReason as { code?: string; detail?: string } | undefined;
      if (!pauses.some((pause) => pause.channel === channel.name && pause.atMs > sinceStart() - 1_500)) {
        const expected = done.some(({ what }) => what.startsWith(`${channel.vendor} refuses`));
        pauses.push({
          atMs: sinceStart(),
          vendor: channel.vendor,
          channel: channel.name,
          code: reason?.code ?? '',
          expected,
        });
        note(
          `${(sinceStart() / 1000).toFixed(1)} s: ${channel.name} is paused: ${reason?.code} ${reason?.detail ?? ''}`,
        );
      }
      if (!refusing.has(channel.vendor))
        await cluster.client.channels.resume(channel.name).catch(() => undefined);
    }
  }

  for (const vendor of cluster.emulators.keys()) setFaults(vendor);
  const all = planned.map(async (one) => {
    await delay(one.atMs, undefined, { signal });
    await perform(one);
  });
  const operator = operate(repair, signal);
  // A disturbance that could not be done is no reason to stop the others.
  const finished = Promise.allSettled(all).then((results) => {
    for (const result of results) {
      if (result.status === 'rejected' && !signal.aborted) note(`A disturbance failed: ${result.reason}`);
    }
  });
  signal.addEventListener('abort', () => operator.stop(), { once: true });
  return { done, inHand, pauses, finished };
}

const LOOK_EVERY_MS = 1_000;

function operate(look: () => Promise<void>, signal: AbortSignal): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const turn = () => {
    void look().finally(() => {
      if (!signal.aborted) timer = setTimeout(turn, LOOK_EVERY_MS);
    });
  };
  turn();
  return { stop: () => clearTimeout(timer) };
}

function signalTo(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(pid, signal);
}
