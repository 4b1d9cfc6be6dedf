import {
  cut,
  type Decision,
  decide,
  formatPushId,
  type Outcome,
  outcomeCode,
  type PushRef,
  pushIdentity,
  timeOfId,
  tokenHash,
} from '@pushmill/core';
import type { ClaimedBatch, ClaimedPush, OutcomeRecord, RemainingGroup, Store } from '@pushmill/store';
import type { OutgoingMessage, OutgoingPush } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';
import { writePatiently } from './ledger-patience.ts';
import { OutcomeRecorder } from './outcome-recorder.ts';

export interface BatchRunDeps {
  store: Pick<Store, 'batches'>;
  isLedgerAway: (error: unknown) => boolean;
  log: {
    info: (fields: Record<string, unknown>, message: string) => void;
    warn: (fields: Record<string, unknown>, message: string) => void;
    error: (fields: Record<string, unknown>, message: string) => void;
  };
  /** Milliseconds since the epoch. */
  now: () => number;
  random: () => number;
  /** Aborted at shutdown: what was not sent goes back at once, unspent. */
  stopping: AbortSignal;
  /** Aborted when even calls in flight must end. */
  cutOff: AbortSignal;
  observe: (channel: ActiveChannel, outcome: Outcome, durationMs: number) => void;
}

/** How long a holder may be silent before the sweeper takes its batch for lost. */
export const leaseMs = 20_000;
/** Claims of one run, each but the last ended by a dead worker, after which the batch itself is suspected. */
const MAX_CLAIMS = 10;

/**
 * Works on one batch: loads what still needs work, calls the vendor, records outcomes in groups while it goes,
 * and at the end either finishes the batch or puts what remains back into the ledger with its due times. The
 * job in Redis always just ends; the feeder brings the next run.
 */
export async function runBatch(
  job: { batchId: string; run: number },
  channel: ActiveChannel,
  deps: BatchRunDeps,
): Promise<void> {
  const startedAt = deps.now();
  const batch = await deps.store.batches.claim(job.batchId, job.run, leaseMs);
  if (!batch) return;
  const run = new BatchRun(batch, channel, deps, startedAt);
  const keepAlive = setInterval(() => run.prolong(), leaseMs / 4);
  try {
    await run.work();
  } finally {
    clearInterval(keepAlive);
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
}

const senderFailed: Outcome = {
  kind: 'unavailable',
  code: 'sender-failed',
  detail: 'an error in our own sender; see the worker’s log',
  mayHaveArrived: true,
};

type StopReason = 'outdated' | 'paused' | 'shutdown';

class BatchRun {
  readonly #batch: ClaimedBatch;
  readonly #channel: ActiveChannel;
  readonly #deps: BatchRunDeps;
  readonly #recorder: OutcomeRecorder;
  /** Added to our clock gives the ledger's. */
  readonly #skewMs: number;
  readonly #later = new Map<number, PushRef[]>();
  readonly #flying = new Set<Promise<void>>();
  #outdated = false;
  readonly counts: Record<string, number> = {};
  remaining = 0;
  stopReason: StopReason | undefined;

  constructor(batch: ClaimedBatch, channel: ActiveChannel, deps: BatchRunDeps, askedAt: number) {
    this.#batch = batch;
    this.#channel = channel;
    this.#deps = deps;
    // The ledger looked at its clock after we asked: what this makes of its time is never behind it, so nothing is
    // sent after its expiry.
    this.#skewMs = batch.ledgerNow.getTime() - askedAt;
    this.#recorder = new OutcomeRecorder({
      batch,
      record: (outcomes) => deps.store.batches.record(batch, outcomes, leaseMs),
      isLedgerAway: deps.isLedgerAway,
      // Not the bare method: pino's lose their logger.
      warn: (fields, message) => deps.log.warn(fields, message),
    });
  }

  async work(): Promise<void> {
    if (this.#batch.claims > MAX_CLAIMS) this.#buryPoison();
    else await this.#sendAll();
    await Promise.all(this.#flying);
    await this.#recorder.flush();
    if (!this.#holds()) {
      this.stopReason = 'outdated';
      return;
    }
    const { store, isLedgerAway, log } = this.#deps;
    const remaining = this.#remainingGroups();
    // Given up here, the batch would be claimed again at once, and what should wait would not.
    await writePatiently(() => store.batches.settle(this.#batch, remaining), {
      isLedgerAway,
      onAway: () => log.warn({ batchId: this.#batch.id, remaining: this.remaining }, 'ledger.away'),
    });
  }

  /** A vendor may be slower than the lease; a failure here only lets the lease run out. */
  prolong(): void {
    this.#deps.store.batches.prolong(this.#batch, leaseMs).then(
      (held) => {
        this.#outdated ||= !held;
      },
      () => undefined,
    );
  }

  async #sendAll(): Promise<void> {
    for (const [message, pushes] of this.#byMessage()) {
      for (const call of cut(pushes, this.#channel.vendor.maxTokensPerCall)) {
        await this.#recorder.room();
        await this.#channel.slots.take(call.length);
        if (!this.#startCall(message, call)) this.#channel.slots.release(call.length);
      }
    }
  }

  /** False when there was nothing to call for: stopped, expired or cancelled while it waited. */
  #startCall(message: OutgoingMessage, pushes: readonly ClaimedPush[]): boolean {
    const stop = this.#mustStop();
    // What has ended is said also on a paused channel and at shutdown; only an outdated holder says nothing.
    const end = stop === 'outdated' ? undefined : this.#endOf(message);
    if (end) {
      for (const push of pushes) this.#end(push, end, end);
      return false;
    }
    if (stop) {
      this.stopReason = stop;
      for (const push of pushes) this.#wait(push, 0);
      return false;
    }
    const call = this.#call(message, pushes).finally(() => {
      this.#channel.slots.release(pushes.length);
      this.#flying.delete(call);
    });
    this.#flying.add(call);
    return true;
  }

  #endOf(message: OutgoingMessage): 'cancelled' | 'expired' | undefined {
    if (this.#recorder.cancelled.has(message.id)) return 'cancelled';
    return this.#ledgerNow() >= message.expiresAt ? 'expired' : undefined;
  }

  async #call(message: OutgoingMessage, pushes: readonly ClaimedPush[]): Promise<void> {
    const at = this.#deps.now();
    const outgoing = pushes.map(
      (push): OutgoingPush => ({
        id: formatPushId(push),
        identity: pushIdentity(push),
        token: push.token,
        message,
      }),
    );
    const { version } = this.#channel.row;
    const outcomes = await this.#send(outgoing);
    const durationMs = this.#deps.now() - at;
    pushes.forEach((push, index) => {
      const outcome = outcomes[index] ?? senderFailed;
      this.#conclude(push, message, outcome, { at: new Date(at + this.#skewMs), durationMs, version });
    });
  }

  /** A sender that throws has a bug. Its pushes get an outcome all the same, so that the bug costs them only. */
  async #send(outgoing: readonly OutgoingPush[]): Promise<readonly Outcome[]> {
    const vendor = this.#channel.vendor.name;
    try {
      const outcomes = await this.#channel.sender.send(outgoing, this.#deps.cutOff);
      if (outcomes.length === outgoing.length) return outcomes;
      this.#deps.log.error({ vendor, pushes: outgoing.length, outcomes: outcomes.length }, 'sender.failed');
      return outcomes;
    } catch (error) {
      this.#deps.log.error({ vendor, err: error }, 'sender.failed');
      return [];
    }
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
    if (decision.action === 'pause-channel') this.#channel.pause(outcome, version);
    const delayMs = 'delayMs' in decision ? decision.delayMs : null;
    if (decision.action === 'pause-channel' || delayMs !== null) this.#wait(push, delayMs ?? 0);
    this.#recorder.add({
      ...recordOf(push, outcome, decision, at),
      attempt: {
        at,
        durationMs: Math.round(durationMs),
        kind: outcome.kind,
        action: decision.action,
        delayMs,
        spent: spendsAttempt(decision),
      },
    });
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
  #end(push: ClaimedPush, state: 'expired' | 'cancelled' | 'unknown', code: string, detail?: string): void {
    this.counts[state] = (this.counts[state] ?? 0) + 1;
    const record: OutcomeRecord = {
      messageId: push.messageId,
      n: push.n,
      state,
      code,
      detail: detail ?? null,
      vendorMessageId: null,
    };
    this.#recorder.add(record);
  }

  #wait(push: ClaimedPush, delayMs: number): void {
    // Delays are rounded up so that pushes that wait about as long travel together again.
    const grainMs = Math.max(250, 2 ** Math.floor(Math.log2(Math.max(1, delayMs / 8))));
    const dueAt = delayMs === 0 ? 0 : Math.ceil((this.#ledgerNow() + delayMs) / grainMs) * grainMs;
    const group = this.#later.get(dueAt);
    if (group) group.push(push);
    else this.#later.set(dueAt, [push]);
    this.remaining += 1;
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
    return this.#deps.now() + this.#skewMs;
  }

  #remainingGroups(): RemainingGroup[] {
    return [...this.#later].map(([dueAt, pushes]) => ({
      dueAt: new Date(dueAt === 0 ? this.#ledgerNow() : dueAt),
      pushes,
    }));
  }

  #byMessage(): Map<OutgoingMessage, ClaimedPush[]> {
    const groups = new Map<string, { message: OutgoingMessage; pushes: ClaimedPush[] }>();
    for (const push of this.#batch.pushes) {
      const known = groups.get(push.messageId);
      if (known) {
        known.pushes.push(push);
        continue;
      }
      const claimed = this.#batch.messages.get(push.messageId);
      if (!claimed)
        throw new Error(`message ${push.messageId} of batch ${this.#batch.id} is not in the ledger`);
      if (claimed.cancelled) this.#recorder.cancelled.add(push.messageId);
      const message: OutgoingMessage = {
        ...claimed.content,
        id: push.messageId,
        createdAt: timeOfId(push.messageId).getTime(),
        expiresAt: claimed.expiresAt.getTime(),
      };
      groups.set(push.messageId, { message, pushes: [push] });
    }
    return new Map([...groups.values()].map((group) => [group.message, group.pushes]));
  }
}

function recordOf(
  push: PushRef,
  outcome: Outcome,
  decision: Decision,
  at: Date,
): Omit<OutcomeRecord, 'attempt'> {
  return {
    messageId: push.messageId,
    n: push.n,
    state: decision.action === 'finish' ? 'accepted' : decision.action === 'bury' ? decision.state : null,
    code: outcomeCode(outcome) ?? null,
    detail: outcome.detail ?? null,
    vendorMessageId: outcome.kind === 'accepted' ? (outcome.vendorMessageId ?? null) : null,
    ...(decision.action === 'bury' && decision.suppressToken
      ? { deadSince: (outcome.kind === 'token-dead' && outcome.since) || at }
      : {}),
  };
}

/** Throttling and a refused credential are not the push's fault. */
function spendsAttempt(decision: Decision): boolean {
  return decision.action === 'finish' || decision.action === 'retry' || decision.action === 'bury';
}
