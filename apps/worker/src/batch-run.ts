import { setTimeout as delay } from 'node:timers/promises';
import {
  decide,
  formatPushId,
  GroupCommit,
  type Outcome,
  outcomeCode,
  type PushState,
  pushIdentity,
  tokenHash,
} from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush, OutcomeRecord, Standing, Store } from '@pushmill/store';
import type { OutgoingMessage, OutgoingPush } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';
import type { BatchWatch } from './batch-watch.ts';
import { byMessage, callsOf } from './calls.ts';
import { writePatiently } from './ledger-patience.ts';
import type { LedgerTime } from './ledger-time.ts';
import { recordOf, spendsAttempt } from './outcome-record.ts';
import { OutcomeRecorder } from './outcome-recorder.ts';
import { QuietHoursWatch } from './quiet-hours.ts';
import { Ration } from './quota.ts';
import { Remainder } from './remainder.ts';

export interface BatchRunDeps {
  store: Pick<Store, 'batches' | 'quotas'>;
  isLedgerAway: (error: unknown) => boolean;
  log: {
    info: (fields: Record<string, unknown>, message: string) => void;
    warn: (fields: Record<string, unknown>, message: string) => void;
    error: (fields: Record<string, unknown>, message: string) => void;
  };
  watch: Pick<BatchWatch, 'add' | 'remove' | 'ask'>;
  /** Milliseconds, of a clock that is never set: when it began does not matter. */
  now: () => number;
  ledgerTime: LedgerTime;
  random: () => number;
  /** Aborted at shutdown: what was not sent goes back at once, unspent. */
  stopping: AbortSignal;
  /** Aborted when even calls in flight must end. */
  cutOff: AbortSignal;
  observe: (channel: ActiveChannel, outcome: Outcome, durationMs: number) => void;
}

/** How long a holder may be silent before the sweeper takes its batch for lost. */
export const leaseMs = 10_000;
/** Claims of one run, each but the last ended by a dead worker, after which the batch itself is suspected. */
const MAX_CLAIMS = 10;
/** How often a worker hears how its batches stand. */
export const newsMs = 500;
/** No call begins on older news of the batch than this without asking: it may be cancelled, or another worker's. */
const OLD_NEWS_MS = 2 * newsMs;
/** Leases are prolonged when a quarter of them is over, so that after any news this much is left. */
const SURE_LEASE_MS = leaseMs / 2;

/**
 * Works on one batch: loads what still needs work, calls the vendor, records outcomes in groups while it goes,
 * and at the end either finishes the batch or puts what remains back into the ledger with its due times. The
 * job in Redis always just ends; the feeder brings the next run.
 * @returns how many pushes wait for that
 */
export async function runBatch(
  job: { batchId: string; run: number },
  channel: ActiveChannel,
  deps: BatchRunDeps,
): Promise<number> {
  const startedAt = deps.now();
  const batch = await deps.store.batches.claim(job.batchId, job.run, leaseMs);
  if (!batch) return 0;
  deps.ledgerTime.heard(batch.ledgerNow, startedAt);
  const run = new BatchRun(batch, channel, deps, startedAt);
  deps.watch.add(run);
  try {
    await run.work();
  } finally {
    deps.watch.remove(run);
  }
  deps.log.info(
    {
      batchId: batch.id,
      run: batch.run,
      channel: channel.row.name,
      pushes: batch.pushes.length,
      counts: run.counts,
      remaining: run.remaining,
      stopped: run.stopReason,
      durationMs: deps.now() - startedAt,
    },
    'batch.ran',
  );
  return run.remaining;
}

const senderFailed: Outcome = {
  kind: 'unavailable',
  code: 'sender-failed',
  detail: 'an error in our own sender; see the worker’s log',
  mayHaveArrived: true,
};

const holderDied: Outcome = {
  kind: 'unavailable',
  code: 'worker-lost',
  detail: 'a worker died after it had begun to send this push; the vendor may have it',
  mayHaveArrived: true,
};

type StopReason = 'outdated' | 'paused' | 'shutdown';

function outgoingOf(push: ClaimedPush, message: OutgoingMessage): OutgoingPush {
  return {
    id: formatPushId(push),
    identity: pushIdentity(push),
    token: push.token,
    environment: push.environment,
    audience: push.audience,
    message,
  };
}

class BatchRun {
  readonly #batch: ClaimedBatch;
  readonly #channel: ActiveChannel;
  readonly #deps: BatchRunDeps;
  readonly #recorder: OutcomeRecorder;
  readonly #remainder = new Remainder();
  /** Calls under way, and who waits for the last of them. */
  #flying = 0;
  #landed: (() => void) | undefined;
  readonly #interrupted: AbortSignal;
  readonly #marks: GroupCommit<readonly number[], undefined>;
  readonly #quietHours: QuietHoursWatch;
  /** Undefined when no quota bounds the batch. */
  #ration: Ration | undefined;
  #outdated = false;
  #failure: unknown;
  readonly counts: Record<string, number> = {};
  stopReason: StopReason | undefined;

  get remaining(): number {
    return this.#remainder.count;
  }

  /** @param claimedAt  when it was asked for: the process may have stood still before it read the answer */
  constructor(batch: ClaimedBatch, channel: ActiveChannel, deps: BatchRunDeps, claimedAt: number) {
    this.#batch = batch;
    this.#channel = channel;
    this.#deps = deps;
    this.#interrupted = AbortSignal.any([deps.stopping, channel.interruption.signal]);
    this.#quietHours = new QuietHoursWatch(batch.messages, () => this.#ledgerNow());
    this.#recorder = new OutcomeRecorder({
      batch,
      heardAt: claimedAt,
      record: (outcomes, isRepeat) => deps.store.batches.record(batch, outcomes, leaseMs, isRepeat),
      now: deps.now,
      isLedgerAway: deps.isLedgerAway,
      // Not the bare method: pino's lose their logger.
      warn: (fields, message) => deps.log.warn(fields, message),
    });
    this.#marks = new GroupCommit({
      commit: (items) => this.#markSending(items),
      maxItems: 500,
      maxWeight: 500,
      maxWaitingItems: Number.POSITIVE_INFINITY,
      maxWaitingWeight: Number.POSITIVE_INFINITY,
      maxRunning: 1,
      isAway: () => true,
    });
    for (const message of batch.messages.values()) {
      if (message.cancelled) this.#recorder.cancelled.add(message.id);
      if (message.paused) this.#recorder.paused.add(message.id);
    }
  }

  async work(): Promise<void> {
    if (this.#batch.claims > MAX_CLAIMS) this.#buryPoison();
    else await this.#sendAll();
    if (this.#flying > 0) await new Promise<void>((resolve) => (this.#landed = resolve));
    await this.#recorder.flush();
    if (this.#failure) throw this.#failure;
    if (!this.#holds()) {
      this.stopReason = 'outdated';
      return;
    }
    const remaining = this.#remainder.groups(new Date(this.#ledgerNow()), (id) =>
      this.#recorder.cancelled.has(id),
    );
    // Given up here, the batch would be claimed again at once, and what should wait would not.
    await this.#patiently(async () => {
      if (this.#ration?.isOpen) await this.#ration.release();
      await this.#deps.store.batches.settle(this.#batch, remaining);
    });
  }

  get batch(): ClaimedBatch {
    return this.#batch;
  }

  heed(standing: Standing, askedAt: number): void {
    this.#recorder.heed(standing, askedAt);
  }

  async #sendAll(): Promise<void> {
    const { flow } = this.#channel;
    const { lane } = this.#batch;
    await this.#takeRation();
    for (const [message, pushes] of byMessage(this.#batch)) {
      const fresh = pushes.filter(
        (push) =>
          !this.#concludeLost(push, message) &&
          !this.#letSleep(push, message) &&
          !this.#refuse(push, message),
      );
      for (const call of callsOf(fresh, this.#maxCall())) {
        // Awaited only where there is something to wait for: this runs once a push.
        const room = this.#recorder.room();
        if (room) await room;
        if (this.#isNewsOld()) await this.#hearNews();
        if (this.#passOver(message, call)) continue;
        const mayGo =
          flow.standstillMs() === 0 &&
          (flow.enterNow(call.length, lane) || (await flow.enter(call.length, lane, this.#interrupted)));
        // Waiting may have been long: everything is asked once more.
        if (this.#isNewsOld()) await this.#hearNews();
        if (this.#passOver(message, call)) {
          if (mayGo) flow.withdraw(call.length);
        } else if (mayGo) {
          const awake = call.filter((push) => !this.#letSleep(push, message));
          if (awake.length < call.length) flow.withdraw(call.length - awake.length);
          if (awake.length > 0) void this.#call(message, awake);
        } else for (const push of call) this.#wait(push, Math.max(1, flow.standstillMs()));
      }
    }
  }

  /** After a pause of the process, or where answers come slowly, the batch may have been taken away or cancelled. */
  #isNewsOld(): boolean {
    return this.#newsAgeMs() > OLD_NEWS_MS;
  }

  #newsAgeMs(): number {
    return this.#deps.now() - this.#recorder.heardAt;
  }

  /**
   * Asks how the batch stands. Without an answer, or with one that lay there while the process stood still, the batch
   * is its own for as long as its lease surely lasts; then no call begins before the ledger has said so.
   */
  async #hearNews(): Promise<void> {
    await this.#deps.watch.ask();
    while (this.#newsAgeMs() > SURE_LEASE_MS && !this.#mustStop()) {
      await delay(newsMs);
      await this.#deps.watch.ask();
    }
  }

  /** A call that is large against the channel's rate would go through in jerks. */
  #maxCall(): number {
    const { vendor, policy } = this.#channel;
    const rate = policy.ratePerSecond;
    return rate === undefined
      ? vendor.maxTokensPerCall
      : Math.min(vendor.maxTokensPerCall, Math.ceil(rate / 10));
  }

  /** With an identity a second copy replaces the first; without one the push counts as unanswered. */
  #concludeLost(push: ClaimedPush, message: OutgoingMessage): boolean {
    if (!push.wasSending || this.#channel.vendor.hasIdentity) return false;
    const { version } = this.#channel.row;
    this.#conclude(push, message, holderDied, { at: new Date(this.#ledgerNow()), durationMs: 0, version });
    return true;
  }

  async #takeRation(): Promise<void> {
    const { store, random } = this.#deps;
    const deps = { quotas: store.quotas, now: () => this.#ledgerNow(), random };
    // What sleeps till tomorrow must not take today's room.
    const pushes = this.#batch.pushes.filter((push) => this.#quietHours.until(push) === undefined);
    const ration = await this.#patiently(() =>
      Ration.take({ ...this.#batch, pushes }, this.#channel.policy.quota, deps),
    );
    if (ration === 'outdated') this.#outdated = true;
    else this.#ration = ration;
  }

  /** True when the push is put off because of its device's quiet hours; never past its expiry, when it has to end. */
  #letSleep(push: ClaimedPush, message: OutgoingMessage): boolean {
    const until = this.#quietHours.until(push);
    if (until === undefined || this.#isDone(message)) return false;
    this.#remainder.wait(push, Math.min(until, message.expiresAt));
    return true;
  }

  /** Whether something else is to be said of the message's pushes than when they may be sent. */
  #isDone(message: OutgoingMessage): boolean {
    return !this.#holds() || !!this.#endOf(message) || this.#recorder.paused.has(message.id);
  }

  /** True when a quota has no room for the push, and it is ended or put off for that. */
  #refuse(push: ClaimedPush, message: OutgoingMessage): boolean {
    if (this.#isDone(message)) return false;
    const refusal = this.#ration?.refusal(push, message.expiresAt);
    if (!refusal) return false;
    if (refusal.action === 'drop') this.#end(push, 'suppressed', 'quota', refusal.detail);
    else {
      this.#remainder.ration(push, refusal.dueAt);
      // People who ask why it has not come are told so; once is enough for what waits for many days.
      if (!this.#batch.quotaHeld) this.#note(push, null, 'quota', refusal.detail);
    }
    return true;
  }

  /** True when there is nothing to call for: stopped, expired, cancelled, paused, or of a day that is over. */
  #passOver(message: OutgoingMessage, pushes: readonly ClaimedPush[]): boolean {
    const stop = this.#mustStop();
    if (stop === 'outdated') {
      this.stopReason = stop;
      return true;
    }
    // What has ended is said also on a paused channel and at shutdown; only an outdated holder says nothing.
    const end = this.#endOf(message);
    if (end) for (const push of pushes) this.#end(push, end, end, this.#whyOf(end));
    else if (stop) {
      this.stopReason = stop;
      for (const push of pushes) this.#wait(push, 0);
    } else if (this.#recorder.paused.has(message.id)) for (const push of pushes) this.#remainder.hold(push);
    else if (pushes.some((push) => this.#ration?.covers(push) === false)) {
      for (const push of pushes) this.#wait(push, 0);
    } else return false;
    return true;
  }

  #endOf(message: OutgoingMessage): 'cancelled' | 'expired' | undefined {
    if (this.#recorder.cancelled.has(message.id)) return 'cancelled';
    return this.#ledgerNow() >= message.expiresAt ? 'expired' : undefined;
  }

  #whyOf(end: 'cancelled' | 'expired'): string | undefined {
    return end === 'expired' && this.#batch.quotaHeld ? 'it waited for the next day’s quota' : undefined;
  }

  /** One function, since this runs once a push and each of several would cost a promise. Never rejects. */
  async #call(message: OutgoingMessage, pushes: readonly ClaimedPush[]): Promise<void> {
    const { vendor, sender, flow, row } = this.#channel;
    this.#flying += 1;
    try {
      if (vendor.hasIdentity || (await this.#mark(message, pushes))) {
        const begunAt = this.#deps.now();
        const outgoing = pushes.map((push) => outgoingOf(push, message));
        let outcomes: readonly Outcome[];
        // A sender that throws, or forgets a push, has a bug. Each push gets an outcome all the same: it costs them only.
        try {
          outcomes = await sender.send(outgoing, this.#deps.cutOff);
        } catch (error) {
          this.#deps.log.error({ vendor: vendor.name, err: error }, 'sender.failed');
          outcomes = pushes.map(() => senderFailed);
        }
        if (outcomes.length !== pushes.length) outcomes = this.#completed(outcomes, pushes.length);
        const durationMs = this.#deps.now() - begunAt;
        const at = new Date(this.#deps.ledgerTime.at(begunAt));
        flow.leave(outcomes, durationMs);
        const made = { at, durationMs, version: row.version };
        for (let index = 0; index < pushes.length; index += 1) {
          this.#conclude(pushes[index] as ClaimedPush, message, outcomes[index] as Outcome, made);
        }
      }
    } catch (error) {
      // Not of the vendor's making: the job is repeated, and the ledger knows what is left of it.
      this.#failure ??= error;
      this.#outdated = true;
    }
    this.#flying -= 1;
    if (this.#flying === 0) this.#landed?.();
  }

  /** @returns false when there is nothing to call for any more */
  async #mark(message: OutgoingMessage, pushes: readonly ClaimedPush[]): Promise<boolean> {
    const { flow } = this.#channel;
    try {
      await this.#marks.add(pushes.map((push) => push.place));
    } catch (error) {
      flow.withdraw(pushes.length);
      throw error;
    }
    // The ledger may have been slow to take the mark. What is marked and not sent is recorded, or waits, as unmarked.
    if (!this.#passOver(message, pushes)) return true;
    flow.withdraw(pushes.length);
    return false;
  }

  #completed(outcomes: readonly Outcome[], pushes: number): readonly Outcome[] {
    const vendor = this.#channel.vendor.name;
    this.#deps.log.error({ vendor, pushes, outcomes: outcomes.length }, 'sender.failed');
    return Array.from({ length: pushes }, (_, index) => outcomes[index] ?? senderFailed);
  }

  async #markSending(items: readonly (readonly number[])[]): Promise<readonly undefined[]> {
    const { batches } = this.#deps.store;
    const askedAt = this.#deps.now();
    this.#recorder.heed(await this.#patiently(() => batches.markSending(this.#batch, items.flat())), askedAt);
    return items.map(() => undefined);
  }

  #patiently<T>(write: (isRepeat: boolean) => Promise<T>): Promise<T> {
    const { isLedgerAway, log } = this.#deps;
    const onAway = () => log.warn({ batchId: this.#batch.id, remaining: this.remaining }, 'ledger.away');
    return writePatiently(write, { isLedgerAway, onAway });
  }

  #conclude(
    push: ClaimedPush,
    message: OutgoingMessage,
    outcome: Outcome,
    { at, durationMs, version }: { at: Date; durationMs: number; version: number },
  ): void {
    const decision = decide({
      outcome,
      attempt: push.attempts + 1,
      policy: this.#channel.policy,
      vendorIdentity: this.#channel.vendor.hasIdentity,
      expiresAt: message.expiresAt,
      now: this.#ledgerNow(),
      random: this.#deps.random,
    });
    this.#deps.observe(this.#channel, outcome, durationMs);
    this.counts[outcome.kind] = (this.counts[outcome.kind] ?? 0) + 1;
    if (spendsAttempt(decision)) this.#ration?.spend(push);
    if (decision.action === 'pause-channel') this.#channel.pause(outcome, version);
    const delayMs = 'delayMs' in decision ? decision.delayMs : null;
    if (decision.action === 'pause-channel' || delayMs !== null) this.#wait(push, delayMs ?? 0);
    const record = recordOf(push, { outcome, decision, at, durationMs });
    const polling = outcome.kind === 'accepted' && outcome.poll ? this.#channel.vendor.polling : undefined;
    if (polling) record.pollAt = new Date(at.getTime() + (polling.afterMs[0] ?? 0));
    this.#recorder.add(record);
    if (decision.action !== 'finish') {
      this.#deps.log.info(
        {
          pushId: formatPushId(push),
          tokenHash: tokenHash(push.token),
          channel: this.#channel.row.name,
          attempt: push.attempts + 1,
          kind: outcome.kind,
          code: outcomeCode(outcome),
          action: decision.action,
          delayMs,
        },
        'push.attempted',
      );
    }
  }

  /** A push's end without a call. */
  #end(
    push: ClaimedPush,
    state: 'expired' | 'cancelled' | 'suppressed' | 'unknown',
    code: string,
    detail?: string,
  ): void {
    this.counts[state] = (this.counts[state] ?? 0) + 1;
    this.#note(push, state, code, detail);
  }

  /** What becomes of a push without a call. @param state  null leaves it queued */
  #note(push: ClaimedPush, state: PushState | null, code: string, detail?: string): void {
    const record: OutcomeRecord = {
      messageId: push.messageId,
      n: push.n,
      place: push.place,
      state,
      code,
      detail: detail ?? null,
      vendorMessageId: null,
    };
    this.#recorder.add(state === 'unknown' ? { ...record, deadLetter: true } : record);
  }

  #wait(push: ClaimedPush, delayMs: number): void {
    // Delays are rounded up so that pushes that wait about as long travel together again.
    const grainMs = Math.max(250, 2 ** Math.floor(Math.log2(Math.max(1, delayMs / 8))));
    this.#remainder.wait(
      push,
      delayMs === 0 ? 0 : Math.ceil((this.#ledgerNow() + delayMs) / grainMs) * grainMs,
    );
  }

  #buryPoison(): void {
    for (const push of this.#batch.pushes) {
      const detail = `${MAX_CLAIMS} workers died with this batch in hand; it may have been sent`;
      this.#end(push, 'unknown', 'poison-batch', detail);
    }
  }

  #mustStop(): StopReason | undefined {
    if (!this.#holds()) return 'outdated';
    if (this.#channel.paused) return 'paused';
    if (this.#deps.stopping.aborted) return 'shutdown';
    return undefined;
  }

  #holds(): boolean {
    return this.#recorder.held && !this.#outdated;
  }

  #ledgerNow(): number {
    return this.#deps.ledgerTime.now();
  }
}
