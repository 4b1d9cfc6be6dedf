import { createHmac } from 'node:crypto';
import https from 'node:https';
import type { Authority, EmulatorChannel } from '../emulator.ts';
import type { TpnsEmulator } from './emulator.ts';

/*
 * For tests only: calls made by hand, for what our own client would never send. The signature is computed here a
 * third time, in the words of the page, so that neither side's code vouches for itself.
 */

export interface Answer {
  status: number;
  text: string;
  /** Of either spelling. */
  code: unknown;
  body: Record<string, unknown>;
}

export interface HandClient {
  post(
    of: TpnsEmulator,
    body: string | Buffer,
    headers: Record<string, string>,
    at?: { path?: string; method?: string },
  ): Promise<Answer>;
  /** A soundly signed call. */
  ask(
    of: TpnsEmulator,
    path: string,
    body: Record<string, unknown> | string | Buffer,
    more?: { channelName?: string; headers?: Record<string, string>; seconds?: number },
  ): Promise<Answer>;
  /** The return code of a soundly signed push; what is missing of its fields is made up. */
  codeOf(of: TpnsEmulator, changes: Record<string, unknown> | string, channelName?: string): Promise<unknown>;
}

export function handClient(authority: Authority): HandClient {
  const client: HandClient = {
    post(of, body, headers, at = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const request = https.request(`${of.origin}${at.path ?? '/v3/push/app'}`, {
        method: at.method ?? 'POST',
        headers,
        ca: authority.certificate,
        agent: false,
      });
      request.on('error', reject);
      request.on('response', async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        const parsed = text.startsWith('{') ? JSON.parse(text) : {};
        const code = parsed.ret_code ?? parsed.retCode;
        resolve({ status: response.statusCode ?? 0, text, code, body: parsed });
      });
      request.end(body);
      return promise;
    },
    ask(of, path, body, { channelName, headers, seconds } = {}) {
      const bytes = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
      const proof = signed(bytes, channelOf(of, channelName), seconds);
      return client.post(of, bytes, { ...headers, ...proof }, { path });
    },
    async codeOf(of, changes, channelName) {
      const body = typeof changes === 'string' ? changes : sound(changes);
      return (await client.ask(of, '/v3/push/app', body, channelName === undefined ? {} : { channelName }))
        .code;
    },
  };
  return client;
}

export function signed(
  body: string | Buffer,
  channel: EmulatorChannel,
  seconds = Math.floor(Date.now() / 1000),
): { AccessId: string; TimeStamp: string; Sign: string } {
  const accessId = String(channel.settings.accessId);
  const hex = createHmac('sha256', String(channel.credential.secretKey))
    .update(`${seconds}${accessId}`)
    .update(body)
    .digest('hex');
  return { AccessId: accessId, TimeStamp: String(seconds), Sign: Buffer.from(hex).toString('base64') };
}

export const channelOf = (of: TpnsEmulator, name = 'tpns') =>
  of.channels.find((channel) => channel.name === name) as EmulatorChannel;

export const sound = (changes: Record<string, unknown> = {}) =>
  JSON.stringify({
    audience_type: 'token',
    token_list: ['05da87c0ae5973bd2dfa9e08d884aada5bb2'],
    message_type: 'notify',
    message: { title: 't', content: 'c', android: { custom_content: '{"k":"v"}' } },
    ...changes,
  });
