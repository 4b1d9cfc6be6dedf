import type { SenderDeps } from '../vendor.ts';
import { readAnswer } from './answer.ts';
import type { KeyPair } from './credential.ts';
import { signedOriginOf } from './settings.ts';
import { formBody, type Params, signCall } from './sign.ts';
import type { Answer, BaiduChannel, Transport } from './transport.ts';

/**
 * One call of REST 3.0 or 2.0.
 * @param hidden  tokens that must not come back in what the vendor said
 */
export type FormCall = (
  path: string,
  params: Params,
  hidden: readonly string[],
  signal: AbortSignal,
) => Promise<Answer>;

/** 2.0 and 3.0 share the form, the signature and the codes; only the User-Agent differs. POST serves all calls. */
export function formCalls(
  { settings }: BaiduChannel,
  keys: KeyPair,
  transport: Transport,
  deps: Pick<SenderDeps, 'now'>,
  userAgent: string,
): FormCall {
  const origin = signedOriginOf(settings);
  return (path, params, hidden, signal) =>
    transport.ask(
      (seconds) => {
        const stamped = { apikey: keys.name, timestamp: seconds, ...params };
        const sign = signCall('POST', origin + path, stamped, keys.secret);
        return {
          path,
          headers: {
            'content-type': 'application/x-www-form-urlencoded;charset=utf-8',
            'user-agent': userAgent,
          },
          body: formBody({ ...stamped, sign }),
        };
      },
      (response) => readAnswer(response, [keys.name, keys.secret, ...hidden], deps.now()),
      signal,
    );
}
