import type { PushRef } from '@pushmill/core';
import type { RemainingGroup } from '@pushmill/store';

/** What a run leaves to later ones, grouped as it will travel again. */
export class Remainder {
  /** By due time; 0 for at once. */
  readonly #later = new Map<number, PushRef[]>();
  /** By message: what waits until it is resumed. */
  readonly #held = new Map<string, PushRef[]>();
  /** By due time: what waits for another day's quota. */
  readonly #rationed = new Map<number, PushRef[]>();
  count = 0;

  /** @param dueAt  milliseconds since the epoch by the ledger's clock; 0 for at once */
  wait(push: PushRef, dueAt: number): void {
    this.#add(this.#later, dueAt, push);
  }

  hold(push: PushRef): void {
    this.#add(this.#held, push.messageId, push);
  }

  ration(push: PushRef, dueAt: number): void {
    this.#add(this.#rationed, dueAt, push);
  }

  /** @param isCancelled  by now; what waits for another day is not to wait for it then */
  groups(now: Date, isCancelled: (messageId: string) => boolean): RemainingGroup[] {
    const rationed = [...this.#rationed].flatMap(([dueAt, pushes]) => [
      {
        dueAt: new Date(dueAt),
        pushes: pushes.filter((push) => !isCancelled(push.messageId)),
        isQuotaHeld: true,
      },
      // The next run says so, and not the next day's.
      { dueAt: now, pushes: pushes.filter((push) => isCancelled(push.messageId)) },
    ]);
    return [
      ...[...this.#later].map(([dueAt, pushes]) => ({ dueAt: dueAt === 0 ? now : new Date(dueAt), pushes })),
      ...[...this.#held.values()].map((pushes) => ({ dueAt: now, pushes, isHeld: true })),
      ...rationed.filter((group) => group.pushes.length > 0),
    ];
  }

  #add<Key>(groups: Map<Key, PushRef[]>, key: Key, push: PushRef): void {
    const group = groups.get(key);
    if (group) group.push(push);
    else groups.set(key, [push]);
    this.count += 1;
  }
}
