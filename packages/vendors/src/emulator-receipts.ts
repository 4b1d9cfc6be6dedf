import http from 'node:http';
import https from 'node:https';
import type { AnswerPlan } from './answer-plan.ts';

/** What an emulator of a vendor that calls back may be told besides. */
export interface ReceiptOptions {
  /** About how long a late receipt takes: between half of it and one and a half. Default 1,000. */
  lateReceiptMs?: number;
  /** What `close` does with receipts that are due and not sent. Default `drop`. */
  receiptsAtClose?: 'flush' | 'drop';
}

/** One callback as it goes out. */
export interface ReceiptCall {
  url: URL;
  body: Buffer;
}

/** How a vendor calls back. */
export interface CallbackRules<App, Receipt> extends ReceiptOptions {
  /** Of the receiver, where it is not plain HTTP. PEM. */
  ca: string;
  plan: AnswerPlan;
  random: () => number;
  /** Receipts of one app that one call may hold; what happens at the same time goes out together. */
  perCall: number;
  /**
   * Writes one call, when its turn comes.
   * @param forged  as somebody else would write it, who does not know what proves it
   */
  write(app: App, receipts: readonly Receipt[], forged: boolean): ReceiptCall | Promise<ReceiptCall>;
}

interface Delivery<App, Receipt> {
  app: App;
  receipts: readonly Receipt[];
  forged: boolean;
  attempt: number;
  /** Of a repetition, which is the same to the byte. */
  call?: ReceiptCall;
}

const maxInFlight = 64;
const timeoutMs = 5_000;
const retryDelaysMs = [1_000, 5_000, 30_000] as const;

/**
 * Sends receipts at least once: perhaps twice, late and out of order, forged ones among them. A bounded number of
 * calls is under way at a time; one that is not answered 2xx is made again in 1, 5 and 30 s, then never more.
 */
export class ReceiptSender<App extends { callbackUrl: URL | undefined }, Receipt> {
  sent = 0;
  taken = 0;
  /** Sent over and above `sent`. */
  forged = 0;
  /** Forged calls that the receiver did not answer 2xx. */
  refusedForgeries = 0;
  readonly #rules: CallbackRules<App, Receipt>;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: maxInFlight }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: maxInFlight }),
  };
  #waiting: Delivery<App, Receipt>[] = [];
  /** Index of the next in `#waiting`: shifting a long array would cost more than the call. */
  #next = 0;
  #inFlight = 0;
  #turn: NodeJS.Immediate | undefined;
  readonly #timers = new Map<NodeJS.Timeout, Delivery<App, Receipt>>();
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(rules: CallbackRules<App, Receipt>) {
    this.#rules = rules;
  }

  add(app: App, receipt: Receipt): void {
    if (app.callbackUrl === undefined || this.#closed) return;
    const { plan, random, lateReceiptMs = 1_000 } = this.#rules;
    const delivery = { app, receipts: [receipt], forged: false, attempt: 0 };
    const copies = plan.chance('duplicate-receipt') ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.sent += 1;
      if (plan.chance('late-receipt')) this.#later({ ...delivery }, lateReceiptMs * (0.5 + random()));
      else this.#waiting.push({ ...delivery });
    }
    if (plan.chance('forged-receipt')) {
      this.forged += 1;
      this.#waiting.push({ ...delivery, forged: true });
    }
    this.#turn ??= setImmediate(() => this.#pump());
  }

  /** What was refused once is not sent again; the rest is sent now or was never sent, by `receiptsAtClose`. */
  async close(): Promise<void> {
    for (const [timer, delivery] of this.#timers) {
      clearTimeout(timer);
      if (delivery.attempt === 0) this.#waiting.push(delivery);
    }
    this.#timers.clear();
    this.#closed = true;
    if (this.#rules.receiptsAtClose === 'flush') {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        this.#pump();
      });
    } else {
      for (const { attempt, forged } of this.#waiting.slice(this.#next)) {
        if (attempt > 0) continue;
        if (forged) this.forged -= 1;
        else this.sent -= 1;
      }
      this.#waiting = [];
      this.#next = 0;
    }
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #later(delivery: Delivery<App, Receipt>, delayMs: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#waiting.push(delivery);
      this.#pump();
    }, delayMs);
    this.#timers.set(timer, delivery);
  }

  #pump(): void {
    this.#turn = undefined;
    while (this.#inFlight < maxInFlight && this.#next < this.#waiting.length) {
      const delivery = this.#take();
      this.#inFlight += 1;
      void this.#deliver(delivery).then((isTaken) => {
        this.#inFlight -= 1;
        this.#settle(delivery, isTaken);
        this.#pump();
      });
    }
    if (this.#inFlight === 0 && this.#next >= this.#waiting.length) this.#whenIdle?.();
  }

  /** The next delivery, and with it those behind it that may go in the same call. */
  #take(): Delivery<App, Receipt> {
    const first = this.#waiting[this.#next] as Delivery<App, Receipt>;
    const receipts = [...first.receipts];
    this.#next += 1;
    if (first.attempt === 0 && !first.forged) {
      while (receipts.length < this.#rules.perCall) {
        const other = this.#waiting[this.#next];
        if (other === undefined || other.app !== first.app || other.attempt > 0 || other.forged) break;
        receipts.push(...other.receipts);
        this.#next += 1;
      }
    }
    if (this.#next > 1_024 && this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    return { ...first, receipts };
  }

  #settle(delivery: Delivery<App, Receipt>, isTaken: boolean): void {
    if (delivery.forged) {
      if (!isTaken) this.refusedForgeries += 1;
    } else if (isTaken) this.taken += delivery.receipts.length;
    else {
      const delayMs = retryDelaysMs[delivery.attempt];
      if (delayMs !== undefined) this.#later({ ...delivery, attempt: delivery.attempt + 1 }, delayMs);
    }
  }

  async #deliver(delivery: Delivery<App, Receipt>): Promise<boolean> {
    const { app, receipts, forged } = delivery;
    delivery.call ??= await this.#rules.write(app, receipts, forged);
    return this.#post(delivery.call);
  }

  #post({ url, body }: ReceiptCall): Promise<boolean> {
    const secure = url.protocol === 'https:';
    return new Promise((resolve) => {
      const request = (secure ? https : http).request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        agent: this.#agents[secure ? 'https:' : 'http:'],
        timeout: timeoutMs,
        ...(secure ? { ca: this.#rules.ca } : {}),
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', () => resolve(false));
      request.on('response', (response) => {
        const status = response.statusCode ?? 0;
        response.on('error', () => resolve(false));
        response.on('end', () => resolve(status >= 200 && status < 300));
        response.resume();
      });
      request.end(body);
    });
  }
}
