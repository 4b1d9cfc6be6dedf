import { parsePushId } from '@pushmill/core';

const broadcastMark = '.broadcast';

/**
 * The msgKey is our push id: the callback returns it as `msgId`, and the receiving client drops a second message
 * that carries the same one. That of a broadcast is marked, because its receipts come from devices that no push
 * names, and one of them must not speak for all.
 */
export function msgKeyOf(pushId: string, isBroadcast: boolean): string {
  return isBroadcast ? pushId + broadcastMark : pushId;
}

/** The push behind a `msgId`, or undefined: messages from the vendor's console have ids of another form. */
export function parseMsgKey(msgId: string): { pushId: string; isBroadcast: boolean } | undefined {
  const isBroadcast = msgId.endsWith(broadcastMark);
  const pushId = isBroadcast ? msgId.slice(0, -broadcastMark.length) : msgId;
  return parsePushId(pushId) && { pushId, isBroadcast };
}
