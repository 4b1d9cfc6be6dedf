import type { Emulator, EmulatorAccount } from '@pushmill/vendors';

export type AccountChange = Pick<EmulatorAccount, 'requests' | 'accepted' | 'duplicates' | 'refused'>;

/** What an emulator counted while `run` ran, reasons of refusal that did not occur left out. */
export async function accountChange<Result>(
  emulator: Emulator,
  run: () => Promise<Result>,
): Promise<{ result: Result; change: AccountChange }> {
  const before = emulator.account();
  const result = await run();
  const after = emulator.account();
  const refused: Record<string, number> = {};
  for (const [reason, count] of Object.entries(after.refused)) {
    const more = count - (before.refused[reason] ?? 0);
    if (more > 0) refused[reason] = more;
  }
  return {
    result,
    change: {
      requests: after.requests - before.requests,
      accepted: after.accepted - before.accepted,
      duplicates: after.duplicates - before.duplicates,
      refused,
    },
  };
}

/** The change of one call that was taken. */
export const oneTaken: AccountChange = { requests: 1, accepted: 1, duplicates: 0, refused: {} };

/** The change of one call that was refused. */
export function oneRefused(reason: string): AccountChange {
  return { requests: 1, accepted: 0, duplicates: 0, refused: { [reason]: 1 } };
}
