import type { Outcome } from '@pushmill/core';
import { type DeadTokenCounts, deadTokenWindowMinutes } from '@pushmill/queue';
import type { Store } from '@pushmill/store';
import type { ActiveChannel } from './active-channel.ts';

export interface MassDeathDeps {
  counts: DeadTokenCounts;
  store: Pick<Store, 'channels' | 'suppressions'>;
  log: { error: (fields: Record<string, unknown>, message: string) => void };
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** What a channel bears before a person must look. A channel's policy may say otherwise. */
export const defaultDeadTokenBound = { share: 0.2, atLeast: 200 };

const code = 'mass-token-death';

/**
 * Watches for tokens that die by the hundred. One token dies for its own reasons; many at once mean that the channel
 * itself is wrong (another app's key, the other environment), and believing the vendor would erase every token there
 * is. Past the bound the channel pauses for a person, and what was suppressed in the window is forgiven.
 */
export class MassDeathGuard {
  readonly #deps: MassDeathDeps;
  readonly #fresh = new Map<ActiveChannel, { judged: number; dead: number }>();

  constructor(deps: MassDeathDeps) {
    this.#deps = deps;
  }

  observe(channel: ActiveChannel, outcome: Outcome): void {
    const isDead =
      outcome.kind === 'token-dead' || (outcome.kind === 'rejected' && outcome.misfiled === true);
    if (!isDead && outcome.kind !== 'accepted') return;
    const count = this.#fresh.get(channel) ?? { judged: 0, dead: 0 };
    count.judged += 1;
    if (isDead) count.dead += 1;
    this.#fresh.set(channel, count);
  }

  /** Called every second. */
  async check(): Promise<void> {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    await Promise.all(fresh.map(([channel, count]) => this.#checkChannel(channel, count)));
  }

  async #checkChannel(channel: ActiveChannel, count: { judged: number; dead: number }): Promise<void> {
    const { counts, store, log, now } = this.#deps;
    const since = new Date(now() - deadTokenWindowMinutes * 60_000);
    if (channel.row.pausedReason?.code === code) {
      // Calls that were under way at the pause.
      if (count.dead > 0) await store.suppressions.forgive(channel.row.id, since);
      return;
    }
    const sum = await counts.add(channel.row.id, count, now());
    const bound = { ...defaultDeadTokenBound, ...(channel.row.policy.deadTokens as object | undefined) };
    if (count.dead === 0 || sum.dead < bound.atLeast || sum.dead < sum.judged * bound.share) return;
    const reason = {
      code,
      detail:
        `The vendor called ${sum.dead} of ${sum.judged} tokens dead or misfiled within ${deadTokenWindowMinutes} minutes. ` +
        'None was suppressed. Check that app, key and environment are the right ones, then resume the channel.',
      by: 'pushmill' as const,
    };
    const isFirst = await store.channels.pauseVersion(channel.row.id, channel.row.version, reason);
    const forgiven = await store.suppressions.forgive(channel.row.id, since);
    if (!isFirst) return;
    await counts.forget(channel.row.id, now());
    log.error(
      { channel: channel.row.name, vendor: channel.row.vendor, forgiven, ...reason },
      'channel.paused',
    );
  }
}
