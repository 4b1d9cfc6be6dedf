import type { ChannelPolicy, Outcome } from '@pushmill/core';
import type { OpenedChannel } from '@pushmill/store';
import type { Sender, Vendor } from '@pushmill/vendors';
import type { ChannelFlow } from './channel-flow.ts';

/** A channel as this worker serves it now. Replaced fields follow the ledger's version; the object stays. */
export interface ActiveChannel {
  row: OpenedChannel;
  vendor: Vendor;
  sender: Sender;
  policy: ChannelPolicy;
  flow: ChannelFlow;
  /** Set by the ledger, or by this worker the moment the vendor refuses the credential. */
  paused: boolean;
  /** Aborted when the channel is paused, for whoever waits; replaced when it is on again. */
  interruption: AbortController;
  /**
   * Stops the channel here at once, and for everybody through the ledger. Does nothing when the channel has changed
   * since the refused call began: an old credential's refusal says nothing about the new one.
   */
  pause(outcome: Outcome, version: number): void;
}
