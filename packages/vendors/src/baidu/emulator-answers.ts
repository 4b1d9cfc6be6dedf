import { type RefusalCode, refusals } from './emulator-checks.ts';

/** What the server does with a call in the end. */
export type Reply =
  | {
      status: number;
      type: 'application/json; charset=utf-8' | 'text/html';
      text: string;
      delayMs?: number;
      /** HTTP/1.1's way of going away: this answer is the connection's last. */
      last?: boolean;
    }
  | 'silence'
  | 'reset';

type Answer = Exclude<Reply, string>;

const type = 'application/json; charset=utf-8';

/**
 * Writes answers as Baidu does. Numbers are put together as text: every other `request_id` is beyond what a
 * double holds, and every fourth `msg_id` is a bare number as in the example of the reference page.
 */
export class AnswerWriter {
  #count = 0;

  taken(nowMs: number): Answer {
    const messageId = String(24_234_532_453_245n + BigInt(this.#count));
    const shown = this.#count % 4 === 3 ? messageId : `"${messageId}"`;
    const params = `{"msg_id":${shown},"send_time":${Math.floor(nowMs / 1000)}}`;
    return { status: 200, type, text: `{"request_id":${this.#requestId()},"response_params":${params}}` };
  }

  refused(code: RefusalCode): Answer {
    const [status, words] = refusals[code];
    const text = `{"request_id":${this.#requestId()},"error_code":${code},"error_msg":"${words}"}`;
    return { status, type, text };
  }

  /** What stands before the service when it is down. */
  badGateway(): Answer {
    return { status: 502, type: 'text/html', text: '<html><h1>502 Bad Gateway</h1></html>' };
  }

  #requestId(): string {
    this.#count += 1;
    const base = this.#count % 2 === 0 ? 12_394_838_223n : 9_223_372_036_000_000_001n;
    return String(base + BigInt(this.#count));
  }
}
