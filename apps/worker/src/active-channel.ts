import type { Outcome, RetryPolicy } from '@pushmill/core';
import type { OpenedChannel } from '@pushmill/store';
import type { Sender, Vendor } from '@pushmill/vendors';
import type { Slots } from './slots.ts';

/** A channel as this worker serves it now. Replaced fields follow the ledger's version; the object stays. */
export interface ActiveChannel {
  row: OpenedChannel;
  vendor: Vendor;
  sender: Sender;
  policy: RetryPolicy;
  slots: Slots;
  /** Set by the ledger, or by this worker the moment the vendor refuses the credential. */
  paused: boolean;
  /**
   * Stops the channel here at once, and for everybody through the ledger. Does nothing when the channel has changed
   * since the refused call began: an old credential's refusal says nothing about the new one.
   */
  pause(outcome: Outcome, version: number): void;
}
