/**
 * The life of a push.
 *
 * It starts `queued`. The worker settles it: `accepted` when the vendor took it, or one of the ends
 * `failed`, `expired`, `cancelled`, `suppressed`, `unknown` (sent, not answered, and the vendor offers no
 * identity under which it could be sent again). Receipts then move it forward, never back: `delivered`,
 * `displayed`, `clicked`, or `dropped` when the vendor says that it did not show it. A receipt can overtake
 * the worker's own record, so every forward step is allowed from `queued` too; and it can tell what became of
 * a push that we had to call `unknown`. So it can of one that we call `failed`: an attempt that was never answered
 * may have arrived although the next one was refused, and what a device says is the truth about it.
 *
 * One step leads back, and it is none of this table's: an operator may replay what was given up. Then the push is
 * `queued` again, under the same id, with all its attempts to spend once more. Nothing else, no outcome and no
 * receipt, brings a push back.
 */
export const pushStates = [
  'queued',
  'accepted',
  'delivered',
  'displayed',
  'clicked',
  'failed',
  'expired',
  'cancelled',
  'suppressed',
  'dropped',
  'unknown',
] as const;

export type PushState = (typeof pushStates)[number];

const nextStates: Readonly<Record<PushState, readonly PushState[]>> = {
  queued: [
    'accepted',
    'delivered',
    'displayed',
    'clicked',
    'failed',
    'expired',
    'cancelled',
    'suppressed',
    'dropped',
    'unknown',
  ],
  accepted: ['delivered', 'displayed', 'clicked', 'dropped'],
  delivered: ['displayed', 'clicked'],
  displayed: ['clicked'],
  clicked: [],
  failed: ['delivered', 'displayed', 'clicked'],
  expired: [],
  cancelled: [],
  suppressed: [],
  dropped: [],
  unknown: ['delivered', 'displayed', 'clicked', 'dropped'],
};

/** Given up: an operator, and nobody else, may bring a push back from here to `queued`. */
export const replayableStates = ['failed', 'unknown'] as const satisfies readonly PushState[];

export type ReplayableState = (typeof replayableStates)[number];

/** Whether a push in `from` may become `to`, by an outcome or a receipt. Staying is not a step. */
export function canAdvance(from: PushState, to: PushState): boolean {
  return nextStates[from].includes(to);
}

/** The states from which a push may become `to`: what an UPDATE asks for in its WHERE. */
export function statesBefore(to: PushState): PushState[] {
  return pushStates.filter((from) => canAdvance(from, to));
}

/** A push that the worker has nothing left to do for. */
export function isSettled(state: PushState): boolean {
  return state !== 'queued';
}
