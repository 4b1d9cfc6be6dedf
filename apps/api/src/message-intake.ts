import { timeOfId } from '@pushmill/core';
import type { Accepted, Store } from '@pushmill/store';
import type { Vendor } from '@pushmill/vendors';
import type { Acceptance } from './acceptance.ts';
import type { Backlog } from './backlog.ts';
import type { ChannelDirectory } from './channel-directory.ts';
import { resolveDevices } from './device-recipients.ts';
import type { AcceptedAnswer, MessageBody } from './message-schema.ts';
import { replayedAnswer } from './message-view.ts';
import { channelsOf, planMessage } from './plan.ts';
import { ProblemError } from './problem.ts';
import { type Forecast, forecastQuotas } from './quota-view.ts';
import type { Rejected } from './recipients.ts';

export interface IntakeDeps {
  channels: ChannelDirectory;
  vendors: Readonly<Record<string, Vendor>>;
  acceptance: Acceptance;
  backlog: Pick<Backlog, 'admit'>;
  store: {
    clock: Pick<Store['clock'], 'now'>;
    messages: Pick<Store['messages'], 'answered'>;
    devices: Pick<Store['devices'], 'resolve'>;
    quotas: Pick<Store['quotas'], 'usedOn' | 'waiting'>;
  };
  now?: () => number;
}

export type IntakeAnswer =
  | { kind: 'accepted'; answer: AcceptedAnswer; replayed: boolean }
  | { kind: 'checked'; answer: CheckedAnswer };

interface CheckedAnswer {
  validateOnly: true;
  pushes: number;
  rejected: Rejected[];
  quota?: Forecast[];
  detail?: string;
}

export interface Idempotency {
  key: string;
  bodyHash: Buffer;
}

/**
 * Takes one message of the right form: plans it, and unless it is only to be checked, stores it.
 * @throws ProblemError  422 when it cannot be sent, 429 when too much waits, 409 when its idempotency key belongs to
 *                       another body
 */
export async function takeMessage(
  body: MessageBody,
  appId: string,
  idempotency: Idempotency | undefined,
  deps: IntakeDeps,
): Promise<IntakeAnswer> {
  const devices = await resolveDevices(body, (queries, limit) =>
    deps.store.devices.resolve(appId, queries, limit),
  );
  const channels = await deps.channels.of(appId, [...channelsOf(body), ...devices.channels]);
  const now = (deps.now ?? deps.store.clock.now)();
  const plan = planMessage(body, { appId, channels, devices, vendors: deps.vendors, now });
  // What was taken when the key was new may be refused by now: a channel removed, a time past, too much waiting.
  const unlessTakenBefore = async (problem: ProblemError): Promise<IntakeAnswer> => {
    const earlier = idempotency && (await deps.store.messages.answered(appId, idempotency));
    if (earlier) return conclude(earlier);
    throw problem;
  };
  if (plan.kind === 'refused') return unlessTakenBefore(plan.problem);
  const { message, rejected } = plan;
  const pushes = message.recipients.length;
  if (body.validateOnly) {
    const forecast = await forecastQuotas(message, channels, { quotas: deps.store.quotas, now });
    return { kind: 'checked', answer: { validateOnly: true, pushes, rejected, ...forecast } };
  }
  const crowded = deps.backlog.admit(message, channels);
  if (crowded) return unlessTakenBefore(crowded);
  const answer: AcceptedAnswer = {
    id: message.id,
    state: message.sendAt ? 'scheduled' : 'queued',
    pushes,
    rejected,
    createdAt: timeOfId(message.id).toISOString(),
  };
  const accepted = await deps.acceptance.accept(
    idempotency ? { ...message, idempotency: { ...idempotency, response: answer } } : message,
  );
  return accepted.kind === 'stored' ? { kind: 'accepted', answer, replayed: false } : conclude(accepted);
}

/** What a key that was used before comes to. */
function conclude(earlier: Exclude<Accepted, { kind: 'stored' }>): IntakeAnswer {
  switch (earlier.kind) {
    case 'replayed':
      return { kind: 'accepted', answer: replayedAnswer(earlier.response), replayed: true };
    case 'conflict':
      throw new ProblemError(
        'idempotency-conflict',
        'The header Idempotency-Key holds a key that was used with another body; use a new key.',
        {
          errors: [
            {
              pointer: '/headers/idempotency-key',
              code: 'conflict',
              detail: 'The key was used with another body in the last two days.',
            },
          ],
        },
      );
    default:
      return earlier satisfies never;
  }
}
