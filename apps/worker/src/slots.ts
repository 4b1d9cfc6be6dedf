/** A bound on pushes in flight. Waiters are served in order; the first takes what it needs as soon as it fits. */
export class Slots {
  readonly #size: number;
  #free: number;
  readonly #waiting: { count: number; grant: () => void }[] = [];

  constructor(size: number) {
    this.#size = size;
    this.#free = size;
  }

  get inUse(): number {
    return this.#size - this.#free;
  }

  /** Undefined when the slots are free right now, so that the usual case costs no promise. */
  take(count: number): Promise<void> | undefined {
    const needed = Math.min(count, this.#size);
    if (this.#waiting.length === 0 && this.#free >= needed) {
      this.#free -= needed;
      return undefined;
    }
    return new Promise((grant) => this.#waiting.push({ count: needed, grant }));
  }

  release(count: number): void {
    this.#free += Math.min(count, this.#size);
    for (let first = this.#waiting[0]; first && this.#free >= first.count; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= first.count;
      first.grant();
    }
  }
}
