import { hash } from 'node:crypto';

/** What FCM knows of a token, beyond its form. One that somebody made up is live. */
export type TokenState =
  | 'live'
  /** The app is gone, or it has another token by now. */
  | 'unregistered'
  /** Of the app of another project. */
  | 'mismatched'
  /** Not a token, though it looks like one. */
  | 'malformed'
  /** Of an iPhone or a browser, and the project's key for those is missing. */
  | 'no-third-party-key';

/** Registration tokens: those made here, and what became of each. */
export class Tokens {
  readonly #seed: number;
  readonly #states = new Map<string, Exclude<TokenState, 'live'>>();
  #made = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** As apps get them: an installation's id of 22 characters, and 140 more. */
  make(platform: 'android' | 'ios' = 'android'): string {
    this.#made += 1;
    const text = [1, 2]
      .map((part) => hash('sha512', `${this.#seed} ${this.#made} ${part}`, 'base64url'))
      .join('');
    return `${text.slice(0, 22)}:APA91b${text.slice(22, 22 + 128)}${marks[platform]}`;
  }

  /** By its last letters, so that nothing need be remembered of a million tokens. */
  isIos(token: string): boolean {
    return token.endsWith(marks.ios);
  }

  stateOf(token: string): TokenState {
    return this.#states.size === 0 ? 'live' : (this.#states.get(token) ?? 'live');
  }

  setState(token: string, state: TokenState): void {
    if (state === 'live') this.#states.delete(token);
    else this.#states.set(token, state);
  }
}

/** Six letters at the end of a token made here. */
const marks = { android: 'andro1', ios: 'iph0ne' };
