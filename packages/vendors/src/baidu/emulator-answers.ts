import { type Answer, jsonType } from '../emulator-server.ts';
import { type RefusalCode, refusals } from './emulator-checks.ts';

/**
 * Writes answers of 2.0 and 3.0 as Baidu does. Numbers are put together as text: every other `request_id` is beyond
 * what a double holds, and every fourth `msg_id` is a bare number as in the example of the reference page.
 */
export class AnswerWriter {
  #count = 0;
  #ids = 0;

  /** Of a message, a timer or a tag. */
  newId(): string {
    this.#ids += 1;
    return String(24_234_532_453_245n + BigInt(this.#ids));
  }

  taken(messageId: string, sendTime: number, timerId?: string): Answer {
    const shown = this.#count % 4 === 3 ? messageId : `"${messageId}"`;
    const timer = timerId === undefined ? '' : `,"timer_id":"${timerId}"`;
    return this.told(`{"msg_id":${shown},"send_time":${sendTime}${timer}}`);
  }

  /** @param params  JSON of `response_params` */
  told(params: string): Answer {
    const body = `{"request_id":${this.requestId()},"response_params":${params}}`;
    return { status: 200, type: jsonType, body };
  }

  refused(code: RefusalCode): Answer {
    const [status, words] = refusals[code];
    const body = `{"request_id":${this.requestId()},"error_code":${code},"error_msg":"${words}"}`;
    return { status, type: jsonType, body };
  }

  requestId(): string {
    this.#count += 1;
    const base = this.#count % 2 === 0 ? 12_394_838_223n : 9_223_372_036_000_000_001n;
    return String(base + BigInt(this.#count));
  }
}
