/** What one look at one thing found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  check: string;
  /** `skipped`: it could not be looked at from here. */
  state: 'ok' | 'warning' | 'failed' | 'skipped';
  detail: string;
  /** What to do about it; where there is something. */
  remedy?: string;
}

export const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail });

export const skipped = (check: string, detail: string): Finding => ({ check, state: 'skipped', detail });

export const warning = (check: string, detail: string, remedy: string): Finding => ({
  check,
  state: 'warning',
  detail,
  remedy,
});

export const failed = (check: string, detail: string, remedy: string): Finding => ({
  check,
  state: 'failed',
  detail,
  remedy,
});

/** Why something did not answer: the system's code, else the sentence of whoever refused. */
export function reasonOf(error: unknown): string {
  const { code, message, cause, errors } = error as {
    code?: string;
    message?: string;
    cause?: unknown;
    errors?: unknown[];
  };
  // Of several addresses tried, the first says enough; `fetch` has its reason in the cause.
  const inner = errors?.[0] ?? cause;
  if (inner) return reasonOf(inner);
  if (code && /^E[A-Z_]+$/.test(code)) return code;
  return message || code || String(error);
}

/** An address without its user and password. */
export function addressOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname === '/' ? '' : pathname}`;
}
