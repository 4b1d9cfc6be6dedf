/** Devices refused alone, and none taken, before the message itself is held to be at fault. */
export const enoughDevices = 16;
/** Messages remembered at once; a sender has a handful in hand. */
const maxMessages = 1_000;

/**
 * Tells a bad message from bad devices: 30602 is the answer for both. Without it, a message that Baidu does not
 * like would be asked for by halves down to every single device, a thousand calls for each batch of 500.
 */
export class MessageFaults {
  /** By message: how many devices it was refused for alone; -1 once any device took it. */
  readonly #refused = new Map<string, number>();

  /** Some device took it, so that later refusals are about devices. */
  taken(messageId: string): void {
    this.#keep(messageId, -1);
  }

  refusedAlone(messageId: string): void {
    const before = this.#refused.get(messageId) ?? 0;
    if (before >= 0) this.#keep(messageId, before + 1);
  }

  isAtFault(messageId: string): boolean {
    return (this.#refused.get(messageId) ?? 0) >= enoughDevices;
  }

  #keep(messageId: string, count: number): void {
    this.#refused.set(messageId, count);
    if (this.#refused.size <= maxMessages) return;
    for (const oldest of this.#refused.keys()) {
      this.#refused.delete(oldest);
      return;
    }
  }
}
