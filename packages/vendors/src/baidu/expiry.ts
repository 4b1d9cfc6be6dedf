/** A week: the most that REST 3.0 keeps a message. The others print no bound; it is taken for them too. */
const maxExpirySeconds = 604_800;

/**
 * Whole seconds that are left, capped; never 0, whose meaning no page tells.
 * @param from  when the vendor begins to count, in milliseconds since the epoch
 */
export function expirySeconds(expiresAt: number, from: number): number {
  return Math.max(1, Math.min(maxExpirySeconds, Math.floor((expiresAt - from) / 1000)));
}
