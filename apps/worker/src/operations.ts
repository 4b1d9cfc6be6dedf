import type { Store, TakenOperation } from '@pushmill/store';
import type { OperationAnswer } from '@pushmill/vendors';
import type { ActiveChannel } from './active-channel.ts';

export interface OperationDeps {
  store: Pick<Store, 'operations'>;
  log: {
    info: (fields: Record<string, unknown>, message: string) => void;
    error: (fields: Record<string, unknown>, message: string) => void;
  };
  signal: AbortSignal;
}

const AT_ONCE = 8;

/** Does for operators what only a worker may: it alone opens credentials. Paused channels are served too. */
export async function runOperations(channels: readonly ActiveChannel[], deps: OperationDeps): Promise<void> {
  const byId = new Map(channels.map((channel) => [channel.row.id, channel]));
  const taken = await deps.store.operations.take([...byId.keys()], AT_ONCE);
  await Promise.all(
    taken.map(async (operation) => {
      const channel = byId.get(operation.channelId) as ActiveChannel;
      const answer = await run(channel, operation, deps);
      await deps.store.operations.answer(operation.id, answer);
      deps.log.info(
        { channel: channel.row.name, operation: operation.name, kind: answer.outcome.kind },
        'operation.done',
      );
    }),
  );
}

async function run(
  channel: ActiveChannel,
  operation: TakenOperation,
  deps: OperationDeps,
): Promise<OperationAnswer> {
  const { sender, vendor } = channel;
  if (!sender.operate || !vendor.operations || !Object.hasOwn(vendor.operations, operation.name)) {
    const detail = `This worker’s version of ${vendor.title} has no operation ${operation.name}.`;
    return { outcome: { kind: 'rejected', code: 'unknown-operation', detail } };
  }
  try {
    return await sender.operate(operation.name, operation.input, deps.signal);
  } catch (error) {
    deps.log.error({ channel: channel.row.name, operation: operation.name, err: error }, 'operation.failed');
    const detail = 'An error in our own sender; see the worker’s log.';
    return { outcome: { kind: 'unavailable', code: 'sender-failed', detail, mayHaveArrived: true } };
  }
}
