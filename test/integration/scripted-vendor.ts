import type { Outcome } from '@pushmill/core';
import type {
  OperationAnswer,
  OutgoingPush,
  PollAnswer,
  PollingPlan,
  Vendor,
  VendorTask,
} from '@pushmill/vendors';
import { Type } from 'typebox';

/** One call of a sender, while it waits for the test's word and after it. */
export interface Call {
  pushes: readonly OutgoingPush[];
  credential: Record<string, unknown>;
  signal: AbortSignal;
}

export type Script = (push: OutgoingPush, call: Call, attempt: number) => Outcome | Promise<Outcome>;

export interface ScriptedVendor {
  vendor: Vendor;
  calls: Call[];
  /** Pushes sent, by token. */
  sent(token: string): number;
  /** What the vendor says from now on. */
  answer(script: Script): void;
  /** Tasks that it was asked about, and what it says of one; with a polling plan. */
  asked: VendorTask[];
  tell: (task: VendorTask) => PollAnswer;
  /** Operations that it was asked to do, and what it answers. */
  operations: { name: string; input: unknown }[];
  operate: (name: string) => Promise<OperationAnswer>;
  closed: number;
}

export const accepted: Outcome = { kind: 'accepted', vendorMessageId: 'vendor-id' };

/** A vendor without a network: its sender does what the test says. */
export function scriptedVendor(
  options: { hasIdentity?: boolean; maxTokensPerCall?: number; polling?: PollingPlan } = {},
): ScriptedVendor {
  let script: Script = () => accepted;
  const attempts = new Map<string, number>();
  const self: ScriptedVendor = {
    calls: [],
    closed: 0,
    sent: (token) => self.calls.flatMap((call) => call.pushes).filter((push) => push.token === token).length,
    answer(next) {
      script = next;
    },
    asked: [],
    tell: () => ({ kind: 'told', state: undefined, code: 'OK', detail: '', counts: {}, final: true }),
    operations: [],
    operate: async () => ({ outcome: { kind: 'accepted' } }),
    vendor: {
      name: 'scripted',
      title: 'Scripted',
      settingsSchema: Type.Object({}),
      credentialSchema: Type.Object({}),
      overridesSchema: Type.Object({}),
      hasIdentity: options.hasIdentity ?? true,
      maxTokensPerCall: options.maxTokensPerCall ?? 1,
      ...(options.polling ? { polling: options.polling } : {}),
      environments: ['here', 'there'],
      audiences: {
        schema: Type.Object({ kind: Type.Literal('all') }, { additionalProperties: false }),
        check: () => [],
      },
      operations: {
        verify: { summary: 'Say whether the credential is good', input: Type.Object({}) },
        greet: {
          summary: 'Greet',
          input: Type.Object({ name: Type.String() }, { additionalProperties: false }),
        },
      },
      prepareCredential: async (input) => ({
        credential: input as Record<string, unknown>,
        shown: { kind: 'scripted' },
      }),
      checkToken: () => undefined,
      checkMessage: () => [],
      createSender: ({ credential }) => ({
        async send(pushes, signal) {
          const call = { pushes, credential, signal };
          self.calls.push(call);
          return Promise.all(
            pushes.map((push) => {
              const attempt = (attempts.get(push.id) ?? 0) + 1;
              attempts.set(push.id, attempt);
              return script(push, call, attempt);
            }),
          );
        },
        async poll(tasks) {
          self.asked.push(...tasks);
          return tasks.map((task) => self.tell(task));
        },
        async operate(name, input) {
          self.operations.push({ name, input });
          return self.operate(name);
        },
        async close() {
          self.closed += 1;
        },
      }),
    },
  };
  return self;
}

/** A door that calls wait at until the test opens it. */
export function gate(): { passed: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}
