const DAY_MS = 86_400_000;

/** Days before its end by which people are warned of a credential; 0 is the end itself. */
const warningDays = [0, 1, 7, 14, 30] as const;

/**
 * The fewest of those days that are reached.
 * @returns undefined while the end is further away than the first of them
 */
export function expiryWarning(expiresAt: Date, now: Date): (typeof warningDays)[number] | undefined {
  const leftMs = expiresAt.getTime() - now.getTime();
  return warningDays.find((days) => leftMs <= days * DAY_MS);
}

/** Whole days that are left; 0 within the last one and after the end. */
export function daysLeft(expiresAt: Date, now: Date): number {
  return Math.max(0, Math.floor((expiresAt.getTime() - now.getTime()) / DAY_MS));
}

/** `expires in 6 days`, `expires within a day`, `expired 2 days ago`. */
export function expiryText(expiresAt: Date, now: Date): string {
  const leftMs = expiresAt.getTime() - now.getTime();
  const days = Math.floor(Math.abs(leftMs) / DAY_MS);
  const text = days === 1 ? '1 day' : `${days} days`;
  if (leftMs <= 0) return days === 0 ? 'has expired' : `expired ${text} ago`;
  return days === 0 ? 'expires within a day' : `expires in ${text}`;
}
