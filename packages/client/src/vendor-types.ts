/** A JSON Schema as the api hands it out. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What an installation can speak to, and how. */
export interface Vendor {
  /** As in `vendor` of a channel and `vendor.<name>` of a message. */
  name: string;
  title: string;
  settings: JsonSchema;
  credential: JsonSchema;
  overrides: JsonSchema;
  /** Null where the vendor sends to devices only. */
  audience: JsonSchema | null;
  /** Empty where there is only one. */
  environments: string[];
  operations: VendorOperation[];
  callsBack: boolean;
  /** It is asked what became of calls. */
  isPolled: boolean;
}

export interface VendorOperation {
  name: string;
  summary: string;
  /** Of what `channels.operate` hands in. */
  input: JsonSchema;
}

/** What the vendor answered. A refusal is an answer too: look at `ok`. */
export interface OperationAnswer {
  operation: string;
  ok: boolean;
  kind: 'accepted' | 'token-dead' | 'rejected' | 'misconfigured' | 'throttled' | 'unavailable';
  /** The vendor's word where it refused, or pushmill's. */
  code: string | null;
  detail: string | null;
  result: Record<string, unknown> | null;
}
