import type { KeyObject } from 'node:crypto';
import { sign } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

/** What one callback will say. The text is made and signed only when its turn comes. */
export interface EmulatedReceipt {
  target: string;
  msgKey: string;
  osType: 'ios' | 'android';
  statusCode: string;
  statusDesc: string;
  success: boolean;
}

/** Probabilities a receipt, and how the vendor writes. */
export interface ReceiptFaults {
  duplicate?: number;
  /** Sent after `lateMs`, default 1,000. */
  late?: number;
  lateMs?: number;
  /** Changes places with the one before it. */
  reordered?: number;
  /** A forged call goes out before the true one. */
  badSignature?: number;
  /** As in the vendor's sample; default is one line. */
  pretty?: boolean;
  unpadded?: boolean;
}

interface Delivery {
  url: URL;
  key: KeyObject;
  receipt: EmulatedReceipt;
  attempt: number;
  forged: boolean;
}

const maxInFlight = 64;
const timeoutMs = 5_000;
const retryDelaysMs = [1_000, 5_000, 30_000] as const;

/**
 * Sends receipts at least once: keep-alive connections, a bounded number of calls at a time, and after a
 * missing or non-2xx answer again in 1, 5 and 30 s, then never more.
 */
export class ReceiptSender {
  sent = 0;
  taken = 0;
  refusedForgeries = 0;
  faults: ReceiptFaults = {};
  readonly #random: () => number;
  readonly #ca: string;
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: maxInFlight }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: maxInFlight }),
  };
  #waiting: Delivery[] = [];
  /** Index of the next in `#waiting`: shifting a long array would cost more than the call. */
  #next = 0;
  #inFlight = 0;
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(random: () => number, ca: string) {
    this.#random = random;
    this.#ca = ca;
  }

  add(url: URL, key: KeyObject, receipt: EmulatedReceipt, duplicate: boolean): void {
    if (this.#closed) return;
    const copies = duplicate || this.#chance('duplicate') ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const delivery: Delivery = { url, key, receipt, attempt: 0, forged: false };
      this.sent += 1;
      if (this.#chance('late')) this.#later(delivery, this.faults.lateMs ?? 1_000);
      else {
        if (this.#chance('badSignature')) this.#waiting.push({ ...delivery, forged: true });
        this.#waiting.push(delivery);
        const last = this.#waiting.length - 1;
        if (last > this.#next && this.#chance('reordered')) {
          const before = this.#waiting[last - 1] as Delivery;
          this.#waiting[last - 1] = delivery;
          this.#waiting[last] = before;
        }
      }
    }
    this.#pump();
  }

  /** @param flush  waits until everything that is due now was answered; what waits for a timer is dropped */
  async close(flush: boolean): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#closed = true;
    if (flush) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        this.#pump();
      });
    } else {
      this.#waiting = [];
      this.#next = 0;
    }
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #chance(fault: 'duplicate' | 'late' | 'reordered' | 'badSignature'): boolean {
    const probability = this.faults[fault];
    return probability !== undefined && this.#random() < probability;
  }

  #later(delivery: Delivery, delayMs: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#waiting.push(delivery);
      this.#pump();
    }, delayMs);
    this.#timers.add(timer);
  }

  #pump(): void {
    while (this.#inFlight < maxInFlight && this.#next < this.#waiting.length) {
      const delivery = this.#waiting[this.#next] as Delivery;
      this.#next += 1;
      if (this.#next > 1_024 && this.#next * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#next);
        this.#next = 0;
      }
      this.#inFlight += 1;
      void this.#deliver(delivery).then((taken) => {
        this.#inFlight -= 1;
        this.#settle(delivery, taken);
        this.#pump();
      });
    }
    if (this.#inFlight === 0 && this.#next >= this.#waiting.length) this.#whenIdle?.();
  }

  #settle(delivery: Delivery, taken: boolean): void {
    if (delivery.forged) {
      if (!taken) this.refusedForgeries += 1;
    } else if (taken) this.taken += 1;
    else {
      const delayMs = retryDelaysMs[delivery.attempt];
      if (delayMs !== undefined) this.#later({ ...delivery, attempt: delivery.attempt + 1 }, delayMs);
    }
  }

  async #deliver(delivery: Delivery): Promise<boolean> {
    const { receipt, url } = delivery;
    const text = JSON.stringify(
      {
        extInfo: { adToken: receipt.target, osType: receipt.osType },
        msgId: receipt.msgKey,
        pushSuccess: receipt.success,
        statusCode: receipt.statusCode,
        statusDesc: receipt.statusDesc,
        targetId: receipt.target,
      },
      undefined,
      this.faults.pretty ? 4 : undefined,
    );
    const body = Buffer.from(text, 'utf8');
    const signature = await this.#sign(body, delivery);
    const query = `${url.search === '' ? '?' : `${url.search}&`}sign=${encodeURIComponent(signature)}`;
    return this.#post(url, `${url.pathname}${query}`, body);
  }

  /** On the thread pool, so that signing does not hold up answers to calls. */
  #sign(body: Buffer, delivery: Delivery): Promise<string> {
    return new Promise((resolve, reject) => {
      sign('RSA-SHA256', body, delivery.key, (error, signature) => {
        if (error) return reject(error);
        if (delivery.forged) signature[100] = (signature[100] as number) ^ 1;
        let text = signature.toString('base64').replace(/\+/g, '-').replace(/\//g, '_');
        if (this.faults.unpadded) text = text.replace(/=+$/, '');
        resolve(text);
      });
    });
  }

  #post(url: URL, path: string, body: Buffer): Promise<boolean> {
    const secure = url.protocol === 'https:';
    return new Promise((resolve) => {
      const request = (secure ? https : http).request({
        method: 'POST',
        host: url.hostname,
        port: url.port === '' ? undefined : Number(url.port),
        path,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        agent: this.#agents[secure ? 'https:' : 'http:'],
        timeout: timeoutMs,
        ...(secure ? { ca: this.#ca } : {}),
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
