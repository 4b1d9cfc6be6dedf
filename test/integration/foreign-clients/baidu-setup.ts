import assert from 'node:assert/strict';
import { after } from 'node:test';
import type { Emulator } from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import bpush from 'bpush-nodejs';
import { accountChange, oneRefused, oneTaken } from './account-change.ts';
import { lead, trustOnly } from './way-to-emulator.ts';

type Params = Record<string, unknown>;

/**
 * bpush-nodejs in front of a Baidu emulator. Its host is a constant, so it is led to the emulator and signs the
 * official address. It gives back the text of every answer, refusals included; only trouble on the wire rejects.
 */
export class ForeignBaidu {
  readonly emulator: Emulator;

  private constructor(emulator: Emulator) {
    this.emulator = emulator;
    this.useApp('baidu');
  }

  /**
   * For one test file, until its end.
   * @param now  the vendor's clock in milliseconds; not far from the real one, by which the client signs
   */
  static async start(seed: number, now: () => number = Date.now): Promise<ForeignBaidu> {
    const authority = await createAuthority(new Date());
    const emulator = await emulators.baidu({ port: 0, authority, seed, now });
    after(() => emulator.close());
    trustOnly(authority.certificate);
    lead({ 'api.tuisong.baidu.com:443': emulator.origin });
    return new ForeignBaidu(emulator);
  }

  /** The client keeps one key for the whole process. */
  useApp(channelName: string): void {
    const channel = this.emulator.channels.find(({ name }) => name === channelName);
    Object.assign(bpush.config, { ak: channel?.credential.apiKey, sk: channel?.credential.secretKey });
  }

  /** A call that must be answered with parameters, which are returned. */
  async ask(api: string, params: Params): Promise<Params> {
    const text = await bpush.sendRequest(api, params);
    const { response_params: answer } = JSON.parse(text);
    assert.equal(typeof answer, 'object', text);
    return answer;
  }

  /** A call that must be taken as one push. */
  async taken(api: string, params: Params): Promise<Params> {
    const { result, change } = await accountChange(this.emulator, () => this.ask(api, params));
    assert.match(String(result.msg_id), /^\d+$/);
    assert.ok(Math.abs(Number(result.send_time) - Date.now() / 1_000) < 60, `${result.send_time}`);
    assert.deepEqual(change, oneTaken);
    return result;
  }

  /** A call that must be refused with this code, in these words. */
  async refused(
    api: string,
    params: Params,
    code: number,
    words: string,
    method: 'GET' | 'POST' = 'POST',
  ): Promise<void> {
    const { result, change } = await accountChange(this.emulator, () =>
      bpush.sendRequest(api, params, {}, method),
    );
    const { error_code, error_msg } = JSON.parse(result);
    assert.deepEqual({ error_code, error_msg }, { error_code: code, error_msg: words });
    assert.deepEqual(change, oneRefused(String(code)));
  }
}
