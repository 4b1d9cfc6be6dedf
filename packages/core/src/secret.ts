import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/**
 * A value that must not be printed. Every way of turning it into text gives `[secret]`;
 * only `reveal()` opens it, so that a search for `reveal(` lists every use.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
