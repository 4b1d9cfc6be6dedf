import type { Outcome } from '@pushmill/core';
import { withoutToken } from '../audience-outcome.ts';
import type { OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { type BaiduAudience, missesItsTime } from './audience.ts';
import type { KeyPair } from './credential.ts';
import { operate } from './operations.ts';
import { signedOriginOf } from './settings.ts';
import { signSpp } from './sign.ts';
import { readSppAnswer } from './spp-answer.ts';
import { sppCall, sppPath } from './spp-payload.ts';
import { type Answer, type BaiduChannel, runInTurn, Transport } from './transport.ts';

/** A sender of SPP; one call a device, for the sake of its receipts (see `sppCall`). */
export function createSppSender(channel: BaiduChannel, keys: KeyPair, deps: SenderDeps): Sender {
  const { settings } = channel;
  const origin = signedOriginOf(settings);
  const transport = new Transport(channel, deps);

  function ask(
    path: string,
    fields: Readonly<Record<string, unknown>>,
    hidden: readonly string[],
    signal: AbortSignal,
  ): Promise<Answer> {
    // Signed as it stands, so it is written once.
    const body = JSON.stringify(fields);
    return transport.ask(
      (timestamp) => {
        const sign = signSpp('POST', origin + path, body, timestamp, keys);
        const query = new URLSearchParams({ appkey: keys.name, timestamp, sign });
        return { path: `${path}?${query}`, headers: { 'content-type': 'application/json' }, body };
      },
      (response) => readSppAnswer(response, [keys.secret, ...hidden], deps.now()),
      signal,
    );
  }

  async function sendOne(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const audience = push.audience as BaiduAudience | undefined;
    const missed = audience === undefined ? undefined : missesItsTime(push, audience);
    if (missed !== undefined) return missed;
    const { path, body } = sppCall(push, settings, deps.now());
    const { outcome } = await ask(path, body, audience === undefined ? [push.token] : [], signal);
    if (audience !== undefined) return withoutToken(outcome);
    const mayBeDevice = outcome.kind === 'rejected' && !aboutContent.has(outcome.code);
    return mayBeDevice && (await isInvalid(push.token, signal))
      ? { ...outcome, kind: 'token-dead' }
      : outcome;
  }

  /**
   * Which code a dead device gets was never printed, but that Baidu calls it `invalid` was. So after a refusal
   * that is not about the content it is asked: one more call, for refused pushes only.
   */
  async function isInvalid(pushId: string, signal: AbortSignal): Promise<boolean> {
    const { outcome, result } = await ask(`${sppPath}/device/status`, { push_id: pushId }, [pushId], signal);
    const status = result?.status;
    return outcome.kind === 'accepted' && typeof status === 'string' && status.toLowerCase() === 'invalid';
  }

  return {
    async send(pushes, signal) {
      const outcomes = new Map<OutgoingPush, Outcome>();
      await runInTurn(pushes, settings.maxConnections, async (push) => {
        outcomes.set(push, await sendOne(push, signal));
      });
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    operate: (name, input, signal) =>
      operate('spp', name, input, ({ path, fields, hidden }) => ask(path, fields, hidden, signal)),
    close: (deadlineMs) => transport.close(deadlineMs),
  };
}

/** Refused for what the message says, whoever was to read it. */
const aboutContent: ReadonlySet<string> = new Set(['300001', '300002']);
