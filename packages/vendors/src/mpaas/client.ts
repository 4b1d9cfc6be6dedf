import { createPrivateKey, randomUUID } from 'node:crypto';
import { CredentialError, type Outcome } from '@pushmill/core';
import { createPool, PoolError, type PoolRequest } from '@pushmill/http2';
import type { OpenChannel, OutgoingPush, Sender, SenderDeps } from '../vendor.ts';
import { fromPoolError, readAnswer } from './answer.ts';
import type { MpaasCredential } from './credential.ts';
import { openApiCall, restCall } from './payload.ts';
import type { MpaasSettings } from './settings.ts';
import { originOf } from './settings.ts';
import { canonicalForm, gatewayTime, restPath, sha256, signAcs3, signRest, signRpcV1 } from './sign.ts';

type Channel = OpenChannel<MpaasSettings, MpaasCredential>;
/** Signs a call for a moment; called again when the vendor refuses time or nonce. */
type Stamp = (pushes: readonly OutgoingPush[], now: number) => Promise<PoolRequest>;

/**
 * A sender over one pool of connections. Either interface gives one answer for a whole call.
 * @throws CredentialError  when the channel was switched to the other interface without its credential
 */
export function createSender(channel: Channel, deps: SenderDeps): Sender {
  const { settings, credential } = channel;
  const isRest = settings.interface === 'rest';
  const stamp = isRest ? stampRest(settings, credential) : stampOpenApi(settings, credential);
  const pool = createPool({
    origin: originOf(settings),
    tls: settings.ca === undefined ? {} : { ca: settings.ca },
    // Neither host promises HTTP/2.
    protocol: 'auto',
    maxHttp1Sockets: settings.maxConnections,
    requestTimeoutMs: settings.requestTimeoutMs,
  });

  /** One call for all of `pushes`, re-stamped at most once. */
  async function call(
    pushes: readonly OutgoingPush[],
    signal: AbortSignal,
  ): Promise<{ outcome: Outcome; perTarget: boolean }> {
    const hidden = [...pushes.map((push) => push.token), ...Object.values(credential)];
    let now = deps.now();
    for (let again = false; ; again = true) {
      const request = await stamp(pushes, now);
      let response: Awaited<ReturnType<typeof pool.request>>;
      try {
        response = await pool.request({ ...request, signal });
      } catch (error) {
        if (error instanceof PoolError) return { outcome: fromPoolError(error), perTarget: false };
        throw error;
      }
      const verdict = readAnswer(response, isRest, hidden);
      if ('outcome' in verdict) {
        if (verdict.warning !== undefined) {
          const { outcome } = verdict;
          const code = 'code' in outcome ? outcome.code : undefined;
          deps.warn({ channel: channel.id, code, status: response.status }, verdict.warning);
        }
        return verdict;
      }
      if (again) {
        deps.warn(
          { channel: channel.id, code: verdict.restamp },
          'mpaas refuses our time or nonce twice: check the clock',
        );
        // Refused before it was read, so it cannot have arrived.
        const outcome: Outcome = { kind: 'unavailable', code: verdict.restamp, mayHaveArrived: false };
        return { outcome, perTarget: false };
      }
      // The vendor's clock is the one that counts; ours may be the wrong one.
      now = verdict.serverTime?.getTime() ?? deps.now();
    }
  }

  /** Pushes with different tokens. */
  async function attempt(pushes: readonly OutgoingPush[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const { outcome, perTarget } = await call(pushes, signal);
    if (!perTarget || pushes.length === 1) return pushes.map(() => outcome);
    return Promise.all(pushes.map(async (push) => (await call([push], signal)).outcome));
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
 * Splits pushes so that no token is twice in a call: targets are the keys of a JSON object, where the second
 * would silently replace the first. Almost always one round.
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

function stampRest(settings: MpaasSettings, credential: MpaasCredential): Stamp {
  const key = createPrivateKey(needed(credential, 'privateKey'));
  return async (pushes, now) => {
    const { method, body } = restCall(pushes, settings, now);
    const signature = await signRest(body, key);
    return {
      method: 'POST',
      path: restPath(settings.pathPrefix, method, settings.appId, settings.workspaceId, signature),
      headers: { 'content-type': 'application/json; charset=UTF-8' },
      body,
    };
  };
}

function needed(credential: MpaasCredential, name: keyof MpaasCredential): string {
  const value = credential[name];
  if (value === undefined) {
    throw new CredentialError(
      `${name}-missing`,
      `The interface of this channel needs ${name}.`,
      `/credential/${name}`,
    );
  }
  return value;
}

const formType = 'application/x-www-form-urlencoded';

function stampOpenApi(settings: MpaasSettings, credential: MpaasCredential): Stamp {
  const { signature, version, regionId } = settings.openapi;
  const accessKeyId = needed(credential, 'accessKeyId');
  const accessKeySecret = needed(credential, 'accessKeySecret');
  const { host } = new URL(originOf(settings));

  return async (pushes, now): Promise<PoolRequest> => {
    const { action, params } = openApiCall(pushes, settings, now);
    if (signature === 'rpc-v1') {
      const signed: Record<string, string> = {
        ...params,
        Format: 'JSON',
        Version: version,
        AccessKeyId: accessKeyId,
        SignatureMethod: 'HMAC-SHA1',
        SignatureVersion: '1.0',
        SignatureNonce: randomUUID(),
        Timestamp: gatewayTime(new Date(now)),
        Action: action,
      };
      if (regionId !== undefined) signed.RegionId = regionId;
      signed.Signature = signRpcV1('POST', signed, accessKeySecret);
      return {
        method: 'POST',
        path: '/',
        headers: { 'content-type': formType },
        body: canonicalForm(signed),
      };
    }
    const body = canonicalForm(params);
    const headers: Record<string, string> = {
      'content-type': formType,
      'x-acs-action': action,
      'x-acs-content-sha256': sha256(body),
      'x-acs-date': gatewayTime(new Date(now)),
      'x-acs-signature-nonce': randomUUID(),
      'x-acs-version': version,
    };
    // Host is signed and not given to the pool, which sends it itself as `host` or `:authority`.
    const authorization = signAcs3({
      method: 'POST',
      headers: { ...headers, host },
      accessKeyId,
      accessKeySecret,
    });
    return { method: 'POST', path: '/', headers: { ...headers, authorization }, body };
  };
}
