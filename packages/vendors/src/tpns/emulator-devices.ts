import type { TagTest } from './emulator-tags.ts';

const maxTagsOfApp = 10_000;
const maxTagsOfToken = 100;
const maxPackages = 100;

/** What one app's server side knows of its devices: their tags, their accounts, and lists of them in packages. */
export class DeviceBook {
  readonly #tags = new Map<string, Set<string>>();
  readonly #tagUse = new Map<string, number>();
  /** By account and type; the newest device last. An account that was never bound has one device. */
  readonly #tokensOf = new Map<string, Set<string>>();
  readonly #packages = new Map<number, readonly string[]>();
  #uploads = 1_000;

  tagsOf(token: string): ReadonlySet<string> {
    return this.#tags.get(token) ?? new Set();
  }

  /** @returns whether the limits allow it; if not, nothing is changed */
  addTags(token: string, tags: readonly string[]): boolean {
    const owned = new Set(this.#tags.get(token));
    const fresh = tags.filter((tag) => !owned.has(tag));
    for (const tag of fresh) owned.add(tag);
    const newTags = fresh.filter((tag) => !this.#tagUse.has(tag)).length;
    if (owned.size > maxTagsOfToken || this.#tagUse.size + newTags > maxTagsOfApp) return false;
    for (const tag of fresh) this.#tagUse.set(tag, (this.#tagUse.get(tag) ?? 0) + 1);
    this.#tags.set(token, owned);
    return true;
  }

  removeTags(token: string, tags: Iterable<string>): void {
    const owned = this.#tags.get(token);
    for (const tag of [...tags]) {
      if (!owned?.delete(tag)) continue;
      const uses = (this.#tagUse.get(tag) ?? 1) - 1;
      if (uses === 0) this.#tagUse.delete(tag);
      else this.#tagUse.set(tag, uses);
    }
  }

  deleteTag(tag: string): void {
    for (const token of this.#tags.keys()) this.removeTags(token, [tag]);
  }

  /** Devices that ever had a tag and are meant by these. */
  withTags(test: TagTest): string[] {
    return [...this.#tags].filter(([, owned]) => test(owned)).map(([token]) => token);
  }

  get tagged(): number {
    return this.#tags.size;
  }

  bind(token: string, accounts: readonly string[]): void {
    this.unbindAll(token);
    for (const account of accounts) {
      const tokens = this.#tokensOf.get(account) ?? new Set();
      this.#tokensOf.set(account, tokens.add(token));
    }
  }

  unbind(token: string, accounts: readonly string[]): void {
    for (const account of accounts) this.#tokensOf.get(account)?.delete(token);
  }

  unbindAll(token: string): void {
    for (const tokens of this.#tokensOf.values()) tokens.delete(token);
  }

  forget(account: string): void {
    this.#tokensOf.set(account, new Set());
  }

  /** @param isEvery  or the newest only @returns tokens; of an account that was never bound one that has no name */
  devicesOf(account: string, isEvery: boolean): string[] {
    const tokens = this.#tokensOf.get(account);
    if (tokens === undefined) return [`device of ${account}`];
    return isEvery ? [...tokens] : [...tokens].slice(-1);
  }

  keepPackage(targets: readonly string[]): number {
    this.#uploads += 1;
    this.#packages.set(this.#uploads, targets);
    const [oldest] = this.#packages.keys();
    if (this.#packages.size > maxPackages && oldest !== undefined) this.#packages.delete(oldest);
    return this.#uploads;
  }

  packageOf(uploadId: number): readonly string[] | undefined {
    return this.#packages.get(uploadId);
  }
}

/** Two accounts of one name and different types are two. */
export function accountKey(account: string, type: unknown): string {
  return `${typeof type === 'number' ? type : 0} ${account}`;
}
