import type { KeyObject } from 'node:crypto';
import { createPublicKey, hash, verify } from 'node:crypto';
import type { CallbackRequest, CallbackVerdict, OpenChannel, VendorReceipt } from '../vendor.ts';
import type { MpaasCredential } from './credential.ts';
import { parseMsgKey } from './msg-key.ts';
import type { MpaasSettings } from './settings.ts';
import { findStatus } from './status.ts';

type Channel = OpenChannel<MpaasSettings, MpaasCredential>;

/** RSA-2048. */
const signatureBytes = 256;
/** As the vendor sends it, alone: nothing to decode, and no spare bits in the last character. */
const usualSignature = /^sign=([A-Za-z0-9_-]{341}[AQgw])(?:%3[Dd]%3[Dd]|==)?$/;

/**
 * Verifies one callback over the raw bytes, and only then parses it.
 *
 * Nothing here compares secrets: the key is public and RSA verification is the comparison, so there is no
 * timing to hide. A replayed call verifies for ever (nothing in it is a time or a nonce): `dedupKey` and
 * states that only move forward are what makes it harmless.
 *
 * @returns  `refused` without a word about why that the sender would see; `answer` is `success`
 * @see      help.aliyun.com 134470, "消息推送回调"
 */
export function readCallback(request: CallbackRequest, channel: Channel): CallbackVerdict {
  const key = callbackKey(channel.credential);
  if (key === undefined) return refused('no-callback-key', 'The channel has no callbackPublicKey.');
  const signature = readSignature(request.rawQuery);
  if ('code' in signature) return signature;
  if (!verify('sha256', request.rawBody, key, signature.bytes)) {
    return refused('bad-signature', 'The signature does not belong to these bytes.');
  }
  return readBody(request.rawBody, channel.settings);
}

function refused(code: string, detail: string): Extract<CallbackVerdict, { kind: 'refused' }> {
  return { kind: 'refused', code, detail };
}

/** Parsing a key costs as much as a verification, so it is kept as long as the opened credential lives. */
const keys = new WeakMap<MpaasCredential, KeyObject>();

function callbackKey(credential: MpaasCredential): KeyObject | undefined {
  if (credential.callbackPublicKey === undefined) return undefined;
  let key = keys.get(credential);
  if (key === undefined) {
    key = createPublicKey(credential.callbackPublicKey);
    keys.set(credential, key);
  }
  return key;
}

/**
 * The signature from the query. Tolerant where no two signatures could be confused (alphabet, padding, a `+`
 * that became a space), strict where they could: one `sign`, no other characters, 256 bytes, no spare bits.
 */
function readSignature(rawQuery: string): { bytes: Buffer } | Extract<CallbackVerdict, { kind: 'refused' }> {
  const usual = usualSignature.exec(rawQuery)?.[1];
  if (usual !== undefined) return { bytes: Buffer.from(usual, 'base64url') };
  const values: string[] = [];
  for (const pair of rawQuery.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    if (name === 'sign') values.push(equals < 0 ? '' : pair.slice(equals + 1));
  }
  if (values.length === 0) return refused('no-signature', 'The query has no sign.');
  if (values.length > 1) return refused('signature-twice', 'The query has more than one sign.');
  const text = decode(values[0] as string);
  if (text === undefined) return refused('signature-form', 'The sign is not percent-encoded properly.');
  const base64 = text
    .replaceAll(' ', '+')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/={1,2}$/, '');
  const bytes = Buffer.from(base64, 'base64');
  // Buffer's decoder skips what it does not know; encoding again shows whether it skipped anything.
  if (bytes.length !== signatureBytes || bytes.toString('base64').slice(0, -2) !== base64) {
    return refused('signature-form', 'The sign is not base64 of 256 bytes.');
  }
  return { bytes };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function readBody(rawBody: Buffer, settings: MpaasSettings): CallbackVerdict {
  const unreadable = (code: string, detail: string): CallbackVerdict => ({
    kind: 'unreadable',
    proof: 'signature',
    code,
    detail,
  });
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(rawBody));
  } catch {
    return unreadable('not-json', 'Signed, but not JSON in UTF-8.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return unreadable('not-an-object', 'Signed, but not a JSON object.');
  }
  const fields = body as Record<string, unknown>;
  const msgId = wordOf(fields.msgId);
  const targetId = wordOf(fields.targetId);
  const code = wordOf(fields.statusCode);
  if (msgId === undefined || code === undefined) {
    return unreadable('missing-field', 'Signed, but without msgId or statusCode.');
  }
  const extInfo = (
    typeof fields.extInfo === 'object' && fields.extInfo !== null ? fields.extInfo : {}
  ) as Record<string, unknown>;
  const receipt = toReceipt(
    {
      msgId,
      targetId,
      code,
      succeeded: typeof fields.pushSuccess === 'boolean' ? fields.pushSuccess : undefined,
      description: wordOf(fields.statusDesc) ?? '',
      adToken: wordOf(extInfo.adToken),
      osType: wordOf(extInfo.osType)?.toLowerCase(),
    },
    settings,
  );
  return { kind: 'receipts', proof: 'signature', receipts: [receipt], answer: 'success' };
}

/** Texts; numbers too, because a code is documented as a text and easily sent as a number. */
function wordOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

interface Fields {
  msgId: string;
  targetId: string | undefined;
  code: string;
  succeeded: boolean | undefined;
  description: string;
  adToken: string | undefined;
  osType: string | undefined;
}

function toReceipt(fields: Fields, settings: MpaasSettings): VendorReceipt {
  const row = findStatus(fields.osType, fields.code);
  const condemned =
    row?.tokenDead === true || (row?.deadIfEnvironmentChecked === true && settings.iosEnvironmentChecked);
  const sent = parseMsgKey(fields.msgId);
  const said = { code: fields.code, detail: fields.description.slice(0, 200), dedupKey: dedupKey(fields) };
  if (sent?.isBroadcast) {
    // One device's word: it is kept, and says nothing of the push, which is to all of them and names no token.
    return { ...said, pushId: sent.pushId, token: undefined, state: undefined, tokenDead: false };
  }
  return {
    ...said,
    pushId: sent?.pushId,
    token: fields.targetId,
    state: stateOf(fields, row?.meaning, settings),
    tokenDead: condemned && fields.succeeded !== true && isAboutTarget(fields, settings),
  };
}

function stateOf(
  fields: Fields,
  meaning: 'pending' | 'acked' | 'clicked' | 'failed' | undefined,
  settings: MpaasSettings,
): VendorReceipt['state'] {
  switch (meaning) {
    case 'pending':
      return undefined;
    case 'acked':
      // A success that says it failed is not understood, so it moves nothing.
      if (fields.succeeded === false) return undefined;
      // APNs and phone makers acknowledge that they took it. Only MPS's own connection speaks for the phone,
      // and the callback does not name the channel: the operator's word for the app's build decides.
      return fields.osType === 'android' && settings.ownChannelDelivery ? 'delivered' : 'accepted';
    case 'clicked':
      return 'clicked';
    case 'failed':
      return fields.succeeded === true ? undefined : 'dropped';
    default:
      // A maker's code that nobody listed: its own flag says how it went.
      if (fields.succeeded === undefined) return undefined;
      return fields.succeeded ? 'accepted' : 'dropped';
  }
}

/**
 * Whether the evidence is about the target as we know it. A push to a user fans out to devices, each with a
 * receipt of its own: one device without the app says nothing about the user.
 */
function isAboutTarget(fields: Fields, settings: MpaasSettings): boolean {
  if (settings.deliveryType === 3 || settings.deliveryType === 6) return false;
  return fields.adToken === undefined || fields.adToken.toLowerCase() === fields.targetId?.toLowerCase();
}

/**
 * The same call repeated gives the same key. Hashed, because keys lie in stores that may not hold tokens.
 * The app is not in it: each channel has its own callback address.
 */
function dedupKey(fields: Fields): string {
  return hash(
    'sha256',
    JSON.stringify([fields.msgId, fields.targetId, fields.adToken, fields.code]),
    'base64url',
  );
}
