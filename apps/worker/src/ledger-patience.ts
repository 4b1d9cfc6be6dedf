const RETRY_MS = 500;

/**
 * Writes to the ledger, again and again while it is away: for what is known here alone.
 * @throws what the ledger threw, when it was not merely away
 */
export async function writePatiently<T>(
  /** Told from the second time on that it may be repeating what was stored, though the answer was lost. */
  write: (isRepeat: boolean) => Promise<T>,
  options: { isLedgerAway: (error: unknown) => boolean; onAway: () => void },
): Promise<T> {
  for (let isRepeat = false; ; isRepeat = true) {
    try {
      return await write(isRepeat);
    } catch (error) {
      if (!options.isLedgerAway(error)) throw error;
      options.onAway();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
