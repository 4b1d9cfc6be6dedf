import { createHash } from 'node:crypto';
import { parsePushId } from '@pushmill/core';
import { isObject, type JsonObject, textOf } from '../answer-reading.ts';
import type { CallbackRequest, CallbackVerdict, VendorReceipt } from '../vendor.ts';
import { parseObject } from './answer.ts';
import { keysOf } from './credential.ts';
import { apiOf } from './settings.ts';
import { audienceMark } from './spp-payload.ts';
import type { BaiduChannel } from './transport.ts';

/** `type` of a receipt. None of them tells of a failure. */
const types: ReadonlyMap<string, { state: VendorReceipt['state']; word: string }> = new Map([
  ['0', { state: 'accepted', word: 'sent' }],
  ['1', { state: 'delivered', word: 'arrived' }],
  ['2', { state: 'displayed', word: 'shown' }],
  ['3', { state: 'clicked', word: 'clicked' }],
  // Counted as a target, which says nothing of what became of it.
  ['4', { state: undefined, word: 'expected' }],
]);

/**
 * Reads a callback of SPP. Baidu signs nothing: what proves it is that the caller knew the channel's address. A
 * call for another app is refused all the same, for it cannot be meant for this address.
 * @see cloud.baidu.com/doc/SPP
 */
export function readCallback(request: CallbackRequest, channel: BaiduChannel): CallbackVerdict {
  const keys = keysOf(channel.credential, channel.settings);
  if (apiOf(channel.settings) !== 'spp' || keys === undefined) {
    return {
      kind: 'refused',
      code: 'no-callbacks',
      detail: 'Of the generations of Baidu only SPP calls back.',
    };
  }
  const unreadable = (code: string, detail: string): CallbackVerdict => ({
    kind: 'unreadable',
    proof: 'secret-url',
    code,
    detail,
  });
  const body = parseObject(request.rawBody.toString('utf8'));
  if (body === undefined) return unreadable('not-an-object', 'The body is not a JSON object.');
  const { result } = body;
  if (!Array.isArray(result)) return unreadable('no-result', 'The body has no list named result.');
  const rows = result.filter(isObject);
  const apps = [body, ...rows].map((holder) => textOf(holder.appkey)).filter((app) => app !== undefined);
  if (apps.some((app) => app !== keys.name)) {
    return {
      kind: 'refused',
      code: 'other-app',
      detail: 'The appkey in the body is not the one of this channel.',
    };
  }
  // One odd entry does not cost the others.
  const receipts = rows.filter((row) => textOf(row.type) !== undefined).map(toReceipt);
  if (receipts.length === 0 && result.length > 0) {
    return unreadable('missing-field', 'No receipt in the list has a type.');
  }
  return { kind: 'receipts', proof: 'secret-url', receipts, answer: 'success' };
}

function toReceipt(row: JsonObject): VendorReceipt {
  const code = textOf(row.type) as string;
  const sent = textOf(row.extInfo) ?? '';
  const ofMany = sent.startsWith(audienceMark);
  const id = ofMany ? sent.slice(audienceMark.length) : sent;
  const known = types.get(code);
  return {
    // Messages sent from the console have another text here, and belong to no push of ours.
    pushId: parsePushId(id) === undefined ? undefined : id,
    // `uuid` and `cuid` are device ids of Baidu's own, no tokens.
    token: undefined,
    // One device of an audience says nothing about the others.
    state: ofMany ? undefined : known?.state,
    code: code.slice(0, 32),
    detail: known?.word ?? 'a type that has no row',
    tokenDead: false,
    dedupKey: createHash('sha256')
      .update(JSON.stringify([row.msgId, row.uuid, row.cuid, sent, code]))
      .digest('base64url'),
  };
}
