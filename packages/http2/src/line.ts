import type { Call } from './call.ts';

/**
 * The waiting line, first in first out. Linked through the calls themselves: an abort takes a call out of the
 * middle at once, and nothing of a cancelled campaign stays behind.
 */
export class WaitingLine {
  #first: Call | undefined = undefined;
  #last: Call | undefined = undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Call | undefined {
    return this.#first;
  }

  push(call: Call): void {
    this.#insert(call, this.#last);
  }

  /** For a request that is sent again: back to the place its number gives it, which is near the front. */
  putBack(call: Call): void {
    let after: Call | undefined;
    for (let at = this.#first; at !== undefined && at.number < call.number; at = at.next) after = at;
    this.#insert(call, after);
  }

  shift(): Call | undefined {
    const call = this.#first;
    if (call !== undefined) this.remove(call);
    return call;
  }

  /** The call must be in the line. */
  remove(call: Call): void {
    if (call.previous === undefined) this.#first = call.next;
    else call.previous.next = call.next;
    if (call.next === undefined) this.#last = call.previous;
    else call.next.previous = call.previous;
    call.previous = undefined;
    call.next = undefined;
    this.#size -= 1;
  }

  *[Symbol.iterator](): Generator<Call> {
    let at = this.#first;
    while (at !== undefined) {
      const next: Call | undefined = at.next; // read first: the consumer may remove `at`
      yield at;
      at = next;
    }
  }

  #insert(call: Call, after: Call | undefined): void {
    const before = after === undefined ? this.#first : after.next;
    call.previous = after;
    call.next = before;
    if (after === undefined) this.#first = call;
    else after.next = call;
    if (before === undefined) this.#last = call;
    else before.previous = call;
    this.#size += 1;
  }
}
