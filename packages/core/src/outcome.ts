/**
 * What one call to a vendor concluded about one push. A sender never throws for an expected answer:
 * refusals, timeouts and broken connections are outcomes.
 *
 * `code` is the vendor's own word (or ours, in lower case with dashes, where no vendor spoke);
 * `detail` is a sentence for people and never holds a token or a secret.
 */
export type Outcome =
  /** The vendor took the push; it is not on the device yet. */
  | {
      kind: 'accepted';
      vendorMessageId?: string;
      detail?: string;
      /** The vendor can be asked what became of the call, by its `vendorMessageId`. */
      poll?: true;
    }
  /** Evidence about this token alone that it will never work again; `since` is the vendor's timestamp. */
  | { kind: 'token-dead'; code: string; detail?: string; since?: Date }
  /**
   * This push can never succeed; the token stays. `misfiled`: the token is not known in the environment that the
   * device is filed under, and may live in another.
   */
  | { kind: 'rejected'; code: string; detail: string; misfiled?: true }
  /** The channel's credential or settings are refused: pause the channel, call a human. */
  | { kind: 'misconfigured'; code: string; detail: string }
  /** Too fast, for this token or for the whole channel. Spends no attempt. */
  | { kind: 'throttled'; code: string; detail?: string; scope: 'token' | 'channel'; retryAfterMs?: number }
  /**
   * No usable answer. `mayHaveArrived` is true as soon as the request may have been read by the vendor.
   */
  | { kind: 'unavailable'; code: string; detail?: string; retryAfterMs?: number; mayHaveArrived: boolean };

export type OutcomeKind = Outcome['kind'];

export function outcomeCode(outcome: Outcome): string | undefined {
  return outcome.kind === 'accepted' ? undefined : outcome.code;
}
