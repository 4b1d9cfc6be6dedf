/** What FCM keeps a message for at most, and by default: four weeks. */
export const longestKeptMs = 2_419_200_000;

/** Milliseconds of a duration as protobuf writes it in JSON: seconds, up to nine decimals and `s`. */
export function readDuration(text: string): number {
  return Number(text.slice(0, -1)) * 1_000;
}

/** @param ms  whole, not negative */
export function writeDuration(ms: number): string {
  return `${ms / 1_000}s`;
}
