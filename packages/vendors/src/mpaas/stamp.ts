import { createPrivateKey, randomUUID } from 'node:crypto';
import { CredentialError } from '@pushmill/core';
import type { PoolRequest } from '@pushmill/http2';
import type { MpaasCredential } from './credential.ts';
import type { Call, OpenApiCall, RestCall } from './payload.ts';
import { type MpaasSettings, originOf } from './settings.ts';
import { canonicalForm, gatewayTime, restPath, sha256, signAcs3, signRest, signRpcV1 } from './sign.ts';

/** Signs a call for one moment of the vendor's clock; a repeated call is signed anew. */
export type Stamp = (call: Call, now: number) => Promise<PoolRequest>;

/** @throws CredentialError  when the channel was switched to the other interface without its credential */
export function createStamp(settings: MpaasSettings, credential: MpaasCredential): Stamp {
  if (settings.interface === 'rest') {
    const stamp = stampRest(settings, credential);
    return (call) => stamp(call as RestCall);
  }
  const stamp = stampOpenApi(settings, credential);
  return async (call, now) => stamp(call as OpenApiCall, now);
}

function stampRest(settings: MpaasSettings, credential: MpaasCredential) {
  const key = createPrivateKey(needed(credential, 'privateKey'));
  return async ({ method, body }: RestCall): Promise<PoolRequest> => {
    const signature = await signRest(body, key);
    return {
      method: 'POST',
      path: restPath(settings.pathPrefix, method, settings.appId, settings.workspaceId, signature),
      headers: { 'content-type': 'application/json; charset=UTF-8' },
      body,
    };
  };
}

const formType = 'application/x-www-form-urlencoded';

function stampOpenApi(settings: MpaasSettings, credential: MpaasCredential) {
  const { signature, version, regionId } = settings.openapi;
  const accessKeyId = needed(credential, 'accessKeyId');
  const accessKeySecret = needed(credential, 'accessKeySecret');
  const { host } = new URL(originOf(settings));

  return ({ action, params }: OpenApiCall, now: number): PoolRequest => {
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
