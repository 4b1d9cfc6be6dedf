import { seededHex } from './emulator-identity.ts';

type Environment = 'production' | 'sandbox';

/**
 * Device tokens that carry their environment, so that nothing need be remembered of them: the last eight digits
 * follow from the first eight, the seed and the environment. A token that somebody made up lives in both.
 */
export class DeviceTokens {
  readonly #seed: number;
  #made = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  make(environment: Environment): string {
    this.#made += 1;
    const body = seededHex(this.#seed, `token ${this.#made}`).slice(0, 56);
    return body + this.#mark(body, environment).toString(16).padStart(8, '0');
  }

  /** Undefined for one that was not made here. */
  environmentOf(token: string): Environment | undefined {
    if (token.length !== 64) return undefined;
    const mark = Number.parseInt(token.slice(56), 16);
    if (mark === this.#mark(token, 'production')) return 'production';
    return mark === this.#mark(token, 'sandbox') ? 'sandbox' : undefined;
  }

  /** Arithmetic and no hash: it is worked out for every push. */
  #mark(token: string, environment: Environment): number {
    const first = Number.parseInt(token.slice(0, 8), 16) ^ (environment === 'production' ? 0x5bd1 : 0x2545f);
    const mixed = Math.imul(first ^ this.#seed, 0x9e3779b1);
    return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0;
  }
}
