import type { Outcome } from '@pushmill/core';

/** Mismatches in a row, with no push taken, after which the service account is the likelier fault. */
const manyMismatches = 20;
const forgottenMs = 60_000;

/**
 * Whether the service account fits the tokens of the channel. With one of another project FCM answers
 * SENDER_ID_MISMATCH for every token there is, and believing that would lose them all. So until a push was taken a
 * mismatch says nothing about the token, and many of them stop the channel. Once the account has proven good, a
 * mismatch is about a token that belongs to another project.
 */
export class Standing {
  /** Set by every push that is taken. */
  isProven = false;
  readonly #now: () => number;
  #mismatches = 0;
  #lastAt = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  judge(mismatch: Outcome): Outcome {
    if (mismatch.kind !== 'rejected') return mismatch;
    if (this.isProven) return { ...mismatch, misfiled: true };
    const now = this.#now();
    if (now - this.#lastAt > forgottenMs) this.#mismatches = 0;
    this.#lastAt = now;
    this.#mismatches += 1;
    if (this.#mismatches < manyMismatches) return mismatch;
    return {
      kind: 'misconfigured',
      code: mismatch.code,
      detail:
        'FCM says of every token that it belongs to another Firebase project: the key file is of the wrong project. No token was forgotten.',
    };
  }
}
