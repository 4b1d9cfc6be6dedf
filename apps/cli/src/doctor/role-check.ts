import { type Finding, failed, ok, reasonOf, skipped } from './finding.ts';

const LIMIT_MS = 3_000;

/**
 * Asks a role whether it is ready.
 * @param mustRun  whether it is known to belong to this machine; another one may simply not be reached from here
 */
export async function checkRole(name: string, url: string, mustRun: boolean): Promise<Finding> {
  const check = `role ${name}`;
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(LIMIT_MS) });
    const answer = (await response.json().catch(() => ({}))) as { status?: unknown; problems?: unknown };
    if (response.ok && answer.status === 'ready') return ok(check, `ready at ${url}`);
    const problems = Array.isArray(answer.problems) ? answer.problems.join(', ') : '';
    if (answer.status === 'not ready') {
      return failed(check, `not ready at ${url}: ${problems}`, `See its log, and what is said above.`);
    }
    return failed(
      check,
      `what answers at ${url} is not it (HTTP ${response.status})`,
      'Another program has its port: see PUSHMILL_HOST and the ports in docs/config.md.',
    );
  } catch (error) {
    const detail = `nothing answers at ${url} (${reasonOf(error)})`;
    if (!mustRun) return skipped(check, `${detail}; it may run elsewhere`);
    return failed(check, detail, `See its log, ${name}.log in the data folder.`);
  }
}
