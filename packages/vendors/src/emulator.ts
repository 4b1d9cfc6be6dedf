import type { MessageContent, OutcomeKind } from '@pushmill/core';
import type { Audience } from './vendor.ts';

/**
 * A vendor's stand-in: a real server that refuses what the vendor refuses. It checks signatures, headers and
 * sizes with code of its own, written from the vendor's page, never with the sender's.
 */
export interface Emulator {
  readonly vendor: string;
  /** `https://127.0.0.1:port`, or http where the vendor's protocol is not bound to TLS. */
  readonly origin: string;
  /** Channels that reach this emulator: settings (its CA included) and a credential that it accepts. */
  readonly channels: readonly EmulatorChannel[];
  /** A token of the right form that no earlier call returned. @param channelName  where channels have forms of their own */
  newToken(channelName?: string): string;
  /** What the next calls for this token get, in order; after that, it is accepted. */
  plan(token: string, ...answers: PlannedAnswer[]): void;
  /** Probabilities per push, drawn from the seeded generator; a planned answer comes first. */
  setFaults(faults: Faults): void;
  /** Where receipts go, by channel name; an emulator of a vendor that calls back needs it. */
  setCallback(channelName: string, url: string): void;
  account(): EmulatorAccount;
  /** Whether it took this push, however often and whatever it answered. */
  hasTaken(push: { id: string; identity: string }): boolean;
  close(): Promise<void>;
}

export interface EmulatorChannel {
  name: string;
  settings: Record<string, unknown>;
  /** As an operator would hand it to `POST /v1/channels`. */
  credential: Record<string, unknown>;
  /** Whether it is called back about what this channel sent. */
  receipts?: boolean;
  /** Audiences that it serves, for the suite and the demo. */
  audiences?: readonly Audience[];
  /** What a message must say besides to go to one of them: a template, a push type. */
  audienceMessage?: Partial<MessageContent>;
}

/** An answer of one outcome kind, or trouble on the wire. */
export type PlannedAnswer =
  | OutcomeKind
  /** Reads the request and never answers. */
  | 'timeout'
  /** Takes the push, then kills the connection before the answer. */
  | 'reset'
  /** Announces the end of the connection; requests after the last stream must be sent elsewhere (HTTP/2). */
  | 'goaway'
  /** Takes the push; the receipt (where the vendor sends them) tells of a failure. */
  | 'dropped';

export type Faults = Partial<Record<Exclude<PlannedAnswer, 'accepted'> | 'slow' | ReceiptFault, number>>;

/** Trouble with what is reported back: sent twice, sent later and out of order, sent by somebody else. */
export type ReceiptFault = 'duplicate-receipt' | 'late-receipt' | 'forged-receipt';

export interface EmulatorAccount {
  requests: number;
  /** Distinct identities taken. */
  accepted: number;
  /** Times an identity was taken again. */
  duplicates: number;
  refused: Record<string, number>;
  receiptsSent: number;
  /** Receipts answered 2xx. */
  receiptsTaken: number;
  /** Forged ones, which are sent over and above `receiptsSent`; of a vendor that calls back. */
  receiptsForged?: number;
}

export interface EmulatorOptions {
  /** 0 for any. */
  port: number;
  host?: string;
  authority: Authority;
  seed: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
  latencyMs?: number;
}

/** The installation's own certificate authority; see `authority.ts`. PEM. */
export interface Authority {
  certificate: string;
  key: string;
}
