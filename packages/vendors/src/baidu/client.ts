import os from 'node:os';
import type { Outcome } from '@pushmill/core';
import { createPool, PoolError } from '@pushmill/http2';
import type { OpenChannel, OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { fromPoolError, readAnswer } from './answer.ts';
import type { BaiduCredential } from './credential.ts';
import { MessageFaults } from './message-fault.ts';
import { pushCall, topicNamesPushes } from './payload.ts';
import type { BaiduSettings } from './settings.ts';
import { originOf, signedOriginOf } from './settings.ts';
import { formBody, signCall } from './sign.ts';
import { cutCalls } from './topic.ts';

/**
 * Baidu refuses calls without a User-Agent of this form, made for the vendor's own SDKs.
 * @see  push.baidu.com, "sdk_developer"
 */
export const userAgent =
  `BCCS_SDK/3.0 (${os.type()}; ${os.release()}; ${process.arch}) Node/${process.versions.node} (Baidu Push Server SDK V3.0.0) cli/Unknown`.replace(
    // A header is printable ASCII; a kernel's name may be anything.
    /[^\x20-\x7e]/g,
    '_',
  );

/** A sender over one pool of connections; one push goes as a single call, more go as a batch call (Android). */
export function createSender(channel: OpenChannel<BaiduSettings, BaiduCredential>, deps: SenderDeps): Sender {
  const { settings, credential } = channel;
  const signedOrigin = signedOriginOf(settings);
  const maxDevices = settings.platform === 'ios' ? 1 : settings.maxDevicesPerCall;
  const pool = createPool({
    origin: originOf(settings),
    tls: settings.ca === undefined ? {} : { ca: settings.ca },
    // The host does not promise HTTP/2.
    protocol: 'auto',
    maxHttp1Sockets: settings.maxConnections,
    requestTimeoutMs: settings.requestTimeoutMs,
  });
  /** What to add to our clock to have the vendor's, learnt from a refusal and kept until the next one. */
  let skewMs = 0;

  /** One call for all of `pushes`, stamped anew at most once. */
  async function call(
    pushes: readonly OutgoingPush[],
    signal: AbortSignal,
  ): Promise<{ outcome: Outcome; perTarget: boolean }> {
    const now = deps.now();
    const { path, params } = pushCall(pushes, settings, now);
    for (let again = false; ; again = true) {
      const stamped = {
        apikey: credential.apiKey,
        timestamp: String(Math.floor((deps.now() + skewMs) / 1000)),
        ...params,
      };
      const sign = signCall('POST', signedOrigin + path, stamped, credential.secretKey);
      let response: Awaited<ReturnType<typeof pool.request>>;
      try {
        response = await pool.request({
          path,
          headers: {
            'content-type': 'application/x-www-form-urlencoded;charset=utf-8',
            'user-agent': userAgent,
          },
          body: formBody({ ...stamped, sign }),
          signal,
        });
      } catch (error) {
        if (error instanceof PoolError) return { outcome: fromPoolError(error), perTarget: false };
        throw error;
      }
      const hidden = [credential.apiKey, credential.secretKey, ...pushes.map((push) => push.token)];
      const verdict = readAnswer(response, hidden, deps.now());
      if ('outcome' in verdict) {
        const { outcome, warning } = verdict;
        if (warning !== undefined) {
          const code = 'code' in outcome ? outcome.code : undefined;
          deps.warn({ channel: channel.id, code, status: response.status }, warning);
        }
        return verdict;
      }
      if (again) {
        deps.warn(
          { channel: channel.id, code: verdict.restamp },
          'baidu refuses our time twice: check the clock',
        );
        // Refused before it was read, so it cannot have arrived.
        const outcome: Outcome = { kind: 'unavailable', code: verdict.restamp, mayHaveArrived: false };
        return { outcome, perTarget: false };
      }
      learnClock(verdict.serverTime);
    }
  }

  /** The vendor's clock is the one that counts. A call that was merely late changes nothing worth telling. */
  function learnClock(serverTime: number | undefined): void {
    if (serverTime === undefined) return;
    const before = skewMs;
    skewMs = serverTime - deps.now();
    const apartSeconds = Math.round((skewMs - before) / 1000);
    if (Math.abs(apartSeconds) > 60) {
      deps.warn({ channel: channel.id, apartSeconds }, 'baidu and this machine disagree about the time');
    }
  }

  const faults = new MessageFaults();

  /**
   * Pushes with different tokens. A call that is refused for what may be one bad device was taken for none,
   * so its halves are asked until the bad ones stand alone: one among 500 costs 18 more calls, not 500.
   * The halves are asked in turn, so that a bad message shows before every device was asked.
   */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const { outcome, perTarget } = await call(pushes, signal);
    const messageId = (pushes[0] as OutgoingPush).message.id;
    const isAlone = pushes.length === 1;
    if (outcome.kind === 'accepted') faults.taken(messageId);
    const mayBeMessage = perTarget && outcome.kind === 'rejected';
    if (mayBeMessage && isAlone) faults.refusedAlone(messageId);
    if (!perTarget || isAlone || (mayBeMessage && faults.isAtFault(messageId))) {
      return pushes.map(() => outcome);
    }
    const middle = pushes.length >> 1;
    return [
      ...(await attempt(pushes.slice(0, middle), signal)),
      ...(await attempt(pushes.slice(middle), signal)),
    ];
  }

  return {
    async send(pushes, signal) {
      if (pushes.length === 0) return [];
      const namesPushes = topicNamesPushes((pushes[0] as OutgoingPush).message, settings);
      const outcomes = new Map<OutgoingPush, Outcome>();
      const calls = cutCalls(pushes, maxDevices, namesPushes);
      let next = 0;
      // iPhones are asked one by one: a batch of them must not fill the waiting line that other batches share.
      const askInTurn = async () => {
        for (let part = calls[next++]; part !== undefined; part = calls[next++]) {
          const answers = await attempt(part, signal);
          for (const [index, push] of part.entries()) outcomes.set(push, answers[index] as Outcome);
        }
      };
      const atOnce = Math.min(calls.length, settings.maxConnections);
      await Promise.all(Array.from({ length: atOnce }, askInTurn));
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    close: (deadlineMs) => pool.close(deadlineMs),
  };
}
