import { fieldsProblem } from './problem.ts';
import { fieldName } from './validation.ts';

/** The time that a field says. The form allows a thirtieth of February. */
export function moment(pointer: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  // Ids start with the milliseconds since 1970, in 48 bits.
  if (Number.isNaN(time.getTime()) || time.getTime() < 0) {
    const detail = `${fieldName(pointer)} is not a moment that can be asked for.`;
    throw fieldsProblem('invalid-request', [{ pointer, code: 'wrong-format', detail }]);
  }
  return time;
}
