/** Pushes of one channel and lane that travel as one job: the unit of work. */
export const maxBatchSize = 500;

/** Cuts a list into runs of at most `size`, in order. */
export function cut<T>(items: readonly T[], size: number = maxBatchSize): T[][] {
  const runs: T[][] = [];
  for (let start = 0; start < items.length; start += size) runs.push(items.slice(start, start + size));
  return runs;
}
