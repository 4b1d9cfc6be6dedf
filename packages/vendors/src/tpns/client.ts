import type { Outcome } from '@pushmill/core';
import { createPool, PoolError } from '@pushmill/http2';
import type { OpenChannel, OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { fromPoolError, invalidTarget, readAnswer, type Verdict } from './answer.ts';
import { VendorClock } from './clock.ts';
import type { TpnsCredential } from './credential.ts';
import { pushBody } from './payload.ts';
import { originOf, type TpnsSettings } from './settings.ts';
import { basicHeaders, signedHeaders } from './sign.ts';

type Channel = OpenChannel<TpnsSettings, TpnsCredential>;

const path = '/v3/push/app';

/** A sender over one pool of connections. */
export function createSender(channel: Channel, deps: SenderDeps): Sender {
  const { settings, credential } = channel;
  const clock = new VendorClock(deps.now);
  const warned = new Set<string>();
  const pool = createPool({
    origin: originOf(settings),
    tls: settings.ca === undefined ? {} : { ca: settings.ca },
    // The vendor does not promise HTTP/2.
    protocol: 'auto',
    maxHttp1Sockets: settings.maxConnections,
    requestTimeoutMs: settings.requestTimeoutMs,
  });

  /** Stamps, signs and sends once. @param now  by the clock that the vendor will ask */
  async function post(
    pushes: readonly OutgoingPush[],
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict | PoolError> {
    const body = pushBody(pushes, settings, deps.now());
    const proof =
      settings.authentication === 'basic'
        ? basicHeaders(credential.secretKey, settings.accessId)
        : signedHeaders(credential.secretKey, settings.accessId, now, body);
    const headers = { 'content-type': 'application/json', ...proof, ...emulatorHeaders(pushes, settings) };
    try {
      const response = await pool.request({ method: 'POST', path, headers, body, signal });
      const hidden = [...pushes.map((push) => push.token), credential.secretKey];
      return readAnswer(response, hidden, settings.missingTargetIsDead);
    } catch (error) {
      if (error instanceof PoolError) return error;
      throw error;
    }
  }

  /** One call for all of `pushes`, stamped a second time when the first was refused for its signature. */
  async function call(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<Verdict | PoolError> {
    const first = await post(pushes, clock.now(), signal);
    // A password has no time in it, so asking twice would tell nothing.
    if (first instanceof PoolError || !first.restamp || settings.authentication === 'basic') return first;
    const offsetMs = clock.differenceMs(first.restamp.serverTime);
    const second = await post(pushes, clock.nowWith(offsetMs), signal);
    if (second instanceof PoolError) return second;
    if (!second.restamp) {
      // A gateway that is down has looked at no stamp.
      const isTaken = second.outcome.kind !== 'unavailable';
      if (isTaken && clock.learn(offsetMs) && offsetMs !== 0) {
        const offBySeconds = Math.round(-offsetMs / 1000);
        deps.warn(
          { channel: channel.id, offBySeconds },
          'tpns refused our time and took its own: the clock of this machine is wrong',
        );
      }
      return second;
    }
    const { outcome } = second;
    if (outcome.kind !== 'misconfigured') return second;
    const how =
      first.restamp.serverTime === undefined
        ? 'a second, fresh stamp was refused too'
        : 'a second call, stamped by the vendor’s clock, was refused too: the secret or Access ID is wrong';
    return { ...second, outcome: { ...outcome, detail: `${outcome.detail}; ${how}` } };
  }

  function warnOf(verdict: Verdict): void {
    if (verdict.warning === undefined) return;
    const code = 'code' in verdict.outcome ? verdict.outcome.code : '';
    // Once a code: a message to a million people would otherwise say so a thousand times.
    if (warned.has(code) || warned.size >= 100) return;
    warned.add(code);
    deps.warn({ channel: channel.id, code }, verdict.warning);
  }

  /** Pushes with different tokens. */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    // A list of accounts would answer for the list and hide which of them has no device.
    if (settings.audience === 'account' && pushes.length > 1) return oneByOne(pushes, signal);
    const verdict = await call(pushes, signal);
    if (verdict instanceof PoolError) return pushes.map(() => fromPoolError(verdict));
    warnOf(verdict);
    const { outcome, invalid } = verdict;
    if (outcome.kind === 'accepted' && invalid.size > 0) {
      const sent = new Set(pushes.map((push) => push.token.toLowerCase()));
      if ([...invalid].some((token) => !sent.has(token))) {
        deps.warn({ channel: channel.id }, 'tpns named invalid tokens that were not in the call');
      }
      return pushes.map((push) => (invalid.has(push.token.toLowerCase()) ? invalidTarget : outcome));
    }
    if (verdict.perTarget && pushes.length > 1) return oneByOne(pushes, signal);
    return pushes.map(() => outcome);
  }

  async function oneByOne(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    return (await Promise.all(pushes.map((push) => attempt([push], signal)))).flat();
  }

  return {
    async send(pushes, signal) {
      const outcomes = new Map<OutgoingPush, Outcome>();
      for (const round of rounds(pushes)) {
        const answers = await attempt(round, signal);
        round.forEach((push, index) => {
          outcomes.set(push, answers[index] as Outcome);
        });
      }
      return pushes.map((push) => outcomes.get(push) as Outcome);
    },
    close: (deadlineMs) => pool.close(deadlineMs),
  };
}

/**
 * Splits pushes so that no token is twice in a call: whether TPNS sends such a token one message or two is
 * nowhere said. Almost always one round.
 */
function rounds(pushes: readonly OutgoingPush[]): OutgoingPush[][] {
  const result: Map<string, OutgoingPush>[] = [];
  for (const push of pushes) {
    const free = result.find((round) => !round.has(push.token));
    if (free === undefined) result.push(new Map([[push.token, push]]));
    else free.set(push.token, push);
  }
  return result.map((round) => [...round.values()]);
}

/**
 * A call to tokens carries nothing by which TPNS could know a push again, so an emulator could not count copies.
 * To an emulator, and to nobody else, the pushes are told in a header of our own: message id, then their numbers.
 */
function emulatorHeaders(pushes: readonly OutgoingPush[], settings: TpnsSettings): Record<string, string> {
  if (!settings.emulator) return {};
  const { message } = pushes[0] as OutgoingPush;
  const numbers = pushes.map((push) => push.id.slice(push.id.lastIndexOf('.') + 1));
  return { 'x-pushmill-pushes': `${message.id};${numbers.join()}` };
}
