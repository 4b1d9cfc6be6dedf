import { type Finding, failed, ok, warning } from './finding.ts';

const WARN_MS = 1_000;
const FAIL_MS = 30_000;

/**
 * Judges the difference of two clocks. Times of pushes come from the database, due times of jobs from the workers,
 * and vendors refuse signatures with a wrong time.
 * @param aheadMs  how far the other clock is ahead of ours
 */
export function clockFinding(whose: string, aheadMs: number): Finding {
  const check = `clock of ${whose}`;
  const seconds = (Math.abs(aheadMs) / 1_000).toFixed(1);
  const detail = `${seconds} s ${aheadMs < 0 ? 'behind' : 'ahead of'} the clock here`;
  const remedy = `Let both machines follow the same time servers (chrony, systemd-timesyncd).`;
  if (Math.abs(aheadMs) > FAIL_MS) return failed(check, detail, remedy);
  if (Math.abs(aheadMs) > WARN_MS) return warning(check, detail, remedy);
  return ok(check, 'agrees with the clock here');
}
