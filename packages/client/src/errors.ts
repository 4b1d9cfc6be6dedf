/** What is wrong with one field: an RFC 6901 pointer into the body, a stable code, a sentence. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

/** An answer other than 2xx, from its RFC 9457 problem document. Test `code`; `detail` is for people. */
export class PushmillError extends Error {
  /** HTTP status; 0 when there was no answer at all (`code` is then `unreachable` or `timeout`). */
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];

  constructor(problem: {
    status: number;
    code: string;
    title: string;
    detail: string;
    errors?: readonly FieldError[];
    cause?: unknown;
  }) {
    super(sentence(problem), { cause: problem.cause });
    this.name = 'PushmillError';
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
  }
}

function sentence(problem: { title: string; detail: string; errors?: readonly FieldError[] }): string {
  const summary = problem.detail || problem.title;
  // One wrong field is often the whole problem; its sentence is not said twice.
  const fields = (problem.errors ?? [])
    .filter((one) => one.detail !== summary)
    .map((one) => (one.pointer ? `${one.pointer}: ${one.detail}` : one.detail));
  return [summary, ...fields].join('\n  ');
}

/** The error that an answer stands for; a proxy's HTML page becomes one too. */
export async function errorOf(response: Response): Promise<PushmillError> {
  const body = await response.text().catch(() => '');
  const problem = parsed(body);
  const text = (value: unknown, otherwise: string) =>
    typeof value === 'string' && value ? value : otherwise;
  const title = text(problem.title, response.statusText || `HTTP ${response.status}`);
  return new PushmillError({
    status: response.status,
    code: text(problem.code, `http-${response.status}`),
    title,
    detail: text(problem.detail, title),
    errors: Array.isArray(problem.errors) ? (problem.errors as FieldError[]) : [],
  });
}

function parsed(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
