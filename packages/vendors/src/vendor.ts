import type { Audience, FieldProblem, MessageContent, Outcome } from '@pushmill/core';
import type { TObject, TSchema } from 'typebox';

/** A vendor: one folder, one line in `all.ts`. Everything else derives from this value. */
export interface Vendor<Settings = Record<string, unknown>, Credential = Record<string, unknown>> {
  /** Lower case; names the queue, the metrics and `vendor.<name>` in a message. */
  readonly name: string;
  /** As people write it. */
  readonly title: string;
  /** Host, region, app ids: what may be shown. Defaults are applied from the schema. */
  readonly settingsSchema: TObject;
  /** What an operator hands in (may be a .p12 with its password). Every field is secret. */
  readonly credentialSchema: TObject;
  /** `vendor.<name>` of a message. */
  readonly overridesSchema: TObject;
  /** Whether the vendor replaces or drops a second copy that carries the same identity. */
  readonly hasIdentity: boolean;
  /** Most tokens that one call may carry; pushes of one call share one message. */
  readonly maxTokensPerCall: number;

  /**
   * Turns what was handed in into what is kept sealed, and what may be told about it.
   * @throws CredentialError  with a plain sentence, when it cannot work
   */
  prepareCredential(input: unknown, settings: Settings, now: Date): Promise<PreparedCredential<Credential>>;

  /** Undefined when the token has this vendor's form, else a sentence. */
  checkToken(token: string, settings: Settings): string | undefined;

  /**
   * Everything that would make this vendor refuse the message: sizes in bytes, fields that exclude each other.
   * Pointers are relative to the message, e.g. `/notification/body`, `/vendor/apns/priority`.
   */
  checkMessage(content: MessageContent, settings: Settings, credential: PublicCredential): FieldProblem[];

  /** Present when the vendor itself can find the devices: everybody, a tag, a list of accounts. */
  readonly audiences?: VendorAudiences<Settings>;

  /**
   * Present when a channel's devices may live in several environments that do not know each other's tokens. A
   * device that is filed under one of these is sent to there, whatever the channel's own setting says.
   */
  readonly environments?: readonly string[];

  /** What an operator may ask the vendor to do besides sending, by name. Run by a worker, with `Sender.operate`. */
  readonly operations?: Readonly<Record<string, VendorOperation>>;

  /** Present when what became of a call is not told by a callback but must be asked for, with `Sender.poll`. */
  readonly polling?: PollingPlan;

  createSender(channel: OpenChannel<Settings, Credential>, deps: SenderDeps): Sender;

  /** Present when the vendor calls back. Verification is on the raw bytes, before parsing. */
  readCallback?(request: CallbackRequest, channel: OpenChannel<Settings, Credential>): CallbackVerdict;
}

/** One audience is one push: one call, after which only the vendor knows how many devices it meant. */
export interface VendorAudiences<Settings> {
  /** A union of objects, told apart by `kind`: `{kind: 'all'}`, `{kind: 'tag', ...}`. */
  readonly schema: TSchema;
  /**
   * What the schema cannot say: that this channel has no such audience, that the message cannot go to one.
   * Pointers are relative to the audience, or to the message where they begin with `/notification`, `/vendor`, ...
   */
  check(audience: Audience, content: MessageContent, settings: Settings): FieldProblem[];
}

export type { Audience };

export interface VendorOperation {
  /** One line, imperative. */
  summary: string;
  /** Closed: an unknown field is refused. */
  input: TObject;
}

/** When the cluster asks what became of a call, and how much it may ask. */
export interface PollingPlan {
  /** After acceptance; the last is the last. */
  afterMs: readonly number[];
  /** Not more often than this on one channel, by all workers together. */
  everyMs: number;
  /** Tasks that one `Sender.poll` may ask for. */
  tasksPerCall: number;
}

/** What may be shown of a credential: kind, key id, topics, expiry. Stored in clear beside the sealed one. */
export type PublicCredential = Readonly<Record<string, unknown>> & { kind: string; expiresAt?: string };

export interface PreparedCredential<Credential> {
  /** Kept sealed; plain JSON. */
  credential: Credential;
  shown: PublicCredential;
}

/** A channel with its credential opened; lives only in the process that sends or verifies. */
export interface OpenChannel<Settings, Credential> {
  id: string;
  settings: Settings;
  credential: Credential;
}

export interface OutgoingMessage extends MessageContent {
  id: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  expiresAt: number;
}

export interface OutgoingPush {
  /** `<messageId>.<n>` */
  id: string;
  /** A UUID, the same on every attempt of this push. */
  identity: string;
  /** Empty for an audience. */
  token: string;
  /** Which of the vendor's environments the device is filed under; undefined for the channel's own. */
  environment?: string | undefined;
  /** Whom the vendor is to find itself; such a push is a call of its own. */
  audience?: Audience | undefined;
  /** Shared by all pushes of one message in a batch, so a payload can be made once and kept by this key. */
  message: OutgoingMessage;
}

export interface SenderDeps {
  /** Milliseconds since the epoch. */
  now: () => number;
  shared: SharedValues;
  /** For what a person should look at: an unlisted code, a connection that keeps failing. Never a token. */
  warn: (fields: Record<string, unknown>, message: string) => void;
}

/** Values that the whole cluster shares for a while. They lie in Redis: seal what is secret. */
export interface SharedValues {
  /** The value kept under `key`; when there is none, `make` is called and the first maker's value wins for `ttlMs`. */
  getOrMake(key: string, ttlMs: number, make: () => Promise<string>): Promise<string>;
  /** Forgets the value if it is still `seen`. */
  forget(key: string, seen: string): Promise<void>;
}

export interface Sender {
  /**
   * One call's worth of pushes: at most `maxTokensPerCall`, all of one message and one environment, or one audience.
   * Called concurrently.
   * @returns one outcome a push, in order; never rejects for an expected answer
   */
  send(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]>;
  /**
   * Runs one of `Vendor.operations`. `verify`, where there is one, proves the credential and sends nothing.
   * @param input  of the operation's schema
   * @returns      the vendor's word, and with `accepted` what it gave; never rejects for an expected answer
   */
  operate?(
    name: string,
    input: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<OperationAnswer>;
  /**
   * Asks what became of accepted calls; see `Vendor.polling`.
   * @returns  one answer a task, in order; never rejects for an expected answer
   */
  poll?(tasks: readonly VendorTask[], signal: AbortSignal): Promise<readonly PollAnswer[]>;
  /** Finishes what is in flight within the deadline, then closes connections. */
  close(deadlineMs: number): Promise<void>;
}

export interface OperationAnswer {
  outcome: Outcome;
  /** JSON. No secret and nothing that the operator did not ask for. */
  result?: Readonly<Record<string, unknown>>;
}

/** One call that the vendor took and can be asked about. */
export interface VendorTask {
  /** The `vendorMessageId` of the outcome that said `poll`. */
  id: string;
  /** How many pushes it carried. */
  pushes: number;
  /** Of its message. Milliseconds since the epoch. */
  acceptedAt: number;
}

export type PollAnswer =
  /** Not answered, too fast, refused: asked again at the task's next time. */
  | { kind: 'failed'; outcome: Outcome }
  | {
      kind: 'told';
      /** Applies to every push of the task, so only where the vendor's words allow that; else undefined. */
      state: 'accepted' | 'delivered' | 'displayed' | 'clicked' | 'dropped' | undefined;
      /** The vendor's word for the state of the task. */
      code: string;
      detail: string;
      /** What the vendor counted, by its own names in lower camel case: sent, arrived, clicked. */
      counts: Readonly<Record<string, number>>;
      /** Nothing more will be told. */
      final: boolean;
    };

export interface CallbackRequest {
  /** Without the leading `?`, undecoded. */
  rawQuery: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  rawBody: Buffer;
}

export type CallbackVerdict =
  /** Not proven to come from the vendor. The sender learns nothing but the status. */
  | { kind: 'refused'; code: string; detail: string }
  /** Proven, but not of a form that we know: answered 2xx and kept apart. */
  | { kind: 'unreadable'; proof: CallbackProof; code: string; detail: string }
  | { kind: 'receipts'; proof: CallbackProof; receipts: readonly VendorReceipt[]; answer: string };

/** `signature`: verified. `secret-url`: the vendor signs nothing, the caller knew an unguessable address. */
export type CallbackProof = 'signature' | 'secret-url';
/** `polled`: we asked the vendor ourselves, over TLS. */
export type ReceiptProof = CallbackProof | 'polled';

export interface VendorReceipt {
  /** Our own push id, where the vendor carries it back. */
  pushId: string | undefined;
  token: string | undefined;
  /** Undefined when the code says nothing final (waiting, offline for now). */
  state: 'accepted' | 'delivered' | 'displayed' | 'clicked' | 'dropped' | undefined;
  code: string;
  detail: string;
  /** The token is dead, on evidence about this token alone. */
  tokenDead: boolean;
  /** Equal for two calls that say the same thing. */
  dedupKey: string;
}
