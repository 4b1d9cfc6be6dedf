import { CallPlan } from '../answer-plan.ts';
import { type Answer, type Reply, slowMs } from '../emulator-server.ts';
import { EmulatorTally } from '../emulator-tally.ts';

/** How one generation says what the plan wants said. */
export interface Dialect {
  taken(dropped: ReadonlySet<string>): Answer;
  /** Answer and code of a refusal. */
  refused(kind: 'token-dead' | 'rejected' | 'misconfigured' | 'throttled' | 'unavailable'): {
    answer: Answer;
    code: string;
  };
}

/** A push call whose fields are good. */
export interface TakenCall {
  /** Empty for an audience: its push has no token, and is planned by none. */
  devices: readonly string[];
  /** What tells each push from others, in the order of the devices; of an audience there is one. */
  identities: readonly string[];
}

/** Where all generations settle what becomes of a good call, and keep count. */
export class Desk {
  readonly plan: CallPlan;
  readonly random: () => number;
  readonly tally = new EmulatorTally();
  /** Devices whose binding is gone, with the code of 2.0 and 3.0 for it. */
  readonly unbound = new Map<string, 30607 | 30608>();
  readonly #latencyMs: number;

  constructor(random: () => number, latencyMs: number) {
    this.random = random;
    this.plan = new CallPlan(random);
    this.#latencyMs = latencyMs;
  }

  settle(call: TakenCall, dialect: Dialect): Reply {
    const targets = call.devices.length === 0 ? [''] : call.devices;
    const fate = this.plan.decide(targets);
    const delayMs = this.#latencyMs + (fate.slow ? slowMs : 0);
    switch (fate.answer) {
      case 'accepted':
        this.#take(call);
        return { ...dialect.taken(fate.dropped), delayMs };
      case 'goaway':
        this.#take(call);
        return { ...dialect.taken(fate.dropped), delayMs, last: true };
      case 'reset':
        this.#take(call);
        dialect.taken(fate.dropped);
        return 'reset';
      case 'timeout':
        return 'silence';
      default: {
        // Now the service itself is down, now what stands before it.
        const isGateway = fate.answer === 'unavailable' && this.random() < 0.5;
        const { answer, code } = isGateway
          ? { answer: badGateway, code: '502' }
          : dialect.refused(fate.answer);
        this.tally.refuse(code, targets.length);
        return { ...answer, delayMs };
      }
    }
  }

  #take(call: TakenCall): void {
    for (const identity of call.identities) this.tally.take(identity);
  }
}

const badGateway: Answer = { status: 502, body: '<html><h1>502 Bad Gateway</h1></html>' };

/** Calls within the current second of the emulator's clock. */
export class PerSecond {
  readonly #most: number;
  readonly #counts = new Map<string, number>();
  #second = 0;

  constructor(most: number | undefined) {
    this.#most = most ?? Number.POSITIVE_INFINITY;
  }

  isOver(key: string, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) this.#counts.clear();
    this.#second = second;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count > this.#most;
  }
}
