/**
 * What one code says about the call that met it. `fault` names what it blames where that is still to be proven:
 * `authorization` the access token, `token` the device token, `sender` token and service account together.
 */
export type Row =
  | { kind: 'token-dead'; meaning: string }
  | { kind: 'rejected'; meaning: string; fault?: 'sender'; alarm?: true }
  | { kind: 'misconfigured'; meaning: string; fault?: 'authorization' }
  | { kind: 'throttled'; meaning: string }
  | { kind: 'unavailable'; meaning: string; mayHaveArrived: boolean };

const rejected = (meaning: string): Row => ({ kind: 'rejected', meaning });
const misconfigured = (meaning: string): Row => ({ kind: 'misconfigured', meaning });
const throttled = (meaning: string): Row => ({ kind: 'throttled', meaning });
/** An error is FCM's word that the message was not taken, and Google asks to send it again. */
const unavailable = (meaning: string): Row => ({ kind: 'unavailable', meaning, mayHaveArrived: false });

/** Before a failure of the server is tried again, by Google's advice. */
export const serverErrorDelayMs = 10_000;
/** After a quota was spent and no `Retry-After` says when it is refilled. */
export const quotaDelayMs = 60_000;

// Not misconfigured: it is about the APNs key (or the browsers' keys) in Firebase, and pausing the channel would
// stop the Android devices, which are served all the same.
const otherServiceRefused: Row = {
  kind: 'rejected',
  alarm: true,
  meaning:
    'APNs or the browser’s push service refused the key that is kept in Firebase: renew it there, under project settings, Cloud Messaging; the service account is not at fault',
};

/**
 * `errorCode` of an FcmError, the only evidence about a device token.
 * @see  Firebase, REST reference "ErrorCode" and "FCM error codes"
 */
export const fcmCodes: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['UNREGISTERED', { kind: 'token-dead', meaning: 'the app was removed, or the token expired' }],
  // About the token when it says so; see `readRefusal`.
  ['INVALID_ARGUMENT', rejected('FCM refused the message')],
  // Not token-dead: a wrong service account gets this for every token that there is. See `Standing`.
  [
    'SENDER_ID_MISMATCH',
    { kind: 'rejected', meaning: 'the token belongs to another Firebase project', fault: 'sender' },
  ],
  ['QUOTA_EXCEEDED', throttled('a quota of FCM is spent')],
  ['UNAVAILABLE', unavailable('FCM is overloaded')],
  ['INTERNAL', unavailable('FCM had an internal error')],
  ['THIRD_PARTY_AUTH_ERROR', otherServiceRefused],
  // Its older name.
  ['APNS_AUTH_ERROR', otherServiceRefused],
]);

/**
 * `status` of an error without an FcmError: Google’s front end speaks, about the project and not about a token.
 * @see  google.rpc.Code
 */
export const googleStatuses: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['INVALID_ARGUMENT', rejected('FCM refused the message')],
  ['OUT_OF_RANGE', rejected('FCM refused the message')],
  ['FAILED_PRECONDITION', rejected('FCM refused the message')],
  [
    'UNAUTHENTICATED',
    { kind: 'misconfigured', meaning: 'Google refused a fresh access token', fault: 'authorization' },
  ],
  ['PERMISSION_DENIED', misconfigured('the service account may not send for this project')],
  // Not token-dead: a mistyped project gets this for every token that there is.
  ['NOT_FOUND', misconfigured('Google does not know this project, or this address')],
  ['RESOURCE_EXHAUSTED', throttled('a quota of the project is spent')],
  ['UNAVAILABLE', unavailable('FCM is overloaded')],
  ['INTERNAL', unavailable('FCM had an internal error')],
  ['ABORTED', unavailable('FCM gave the call up')],
  ['CANCELLED', unavailable('FCM gave the call up')],
  // It may have gone on behind the front end's back.
  [
    'DEADLINE_EXCEEDED',
    { kind: 'unavailable', meaning: 'FCM did not answer its own front end', mayHaveArrived: true },
  ],
]);

/** `reason` of an ErrorInfo beside PERMISSION_DENIED: what a person must do. */
export const reasonHints: ReadonlyMap<string, string> = new Map([
  ['SERVICE_DISABLED', 'enable the Firebase Cloud Messaging API in the Google Cloud console'],
  [
    'IAM_PERMISSION_DENIED',
    'give the service account the role "Firebase Cloud Messaging API Admin", or use the one of firebase-adminsdk',
  ],
  ['ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'the access token is not made for messaging'],
  ['CONSUMER_INVALID', 'the project of the channel does not exist or was deleted'],
  ['BILLING_DISABLED', 'the project has no billing account'],
]);

/** What a status most likely means that came without a code that we know. Never that a token is dead. */
export function rowOfStatus(status: number, isGoogle: boolean): Row {
  if (status === 404) return misconfigured('there is no such project or address');
  if (status === 413) return rejected('the request is too large');
  if (status === 429) return throttled('something asks to slow down');
  if (status === 408 || status === 409 || status === 499) return unavailable('the call was given up');
  // Of something that is not Google a 4xx says only that it passed nothing on.
  if (status >= 400 && status < 500 && !isGoogle) return unavailable('something that is not Google answered');
  if (status === 401) {
    return { kind: 'misconfigured', meaning: 'Google refused a fresh access token', fault: 'authorization' };
  }
  if (status === 403) return misconfigured('the service account may not do this');
  if (status >= 400 && status < 500) return rejected('FCM refused the call');
  // A gateway's 502 or 504 can come after the call went through.
  return { kind: 'unavailable', meaning: 'the answer is none of FCM’s', mayHaveArrived: true };
}

/**
 * What became of one token in a call that changes subscriptions: `error` of its result.
 * @see  Instance ID server reference, "Manage relationship maps for multiple app instances"
 */
export const subscriptionErrors: ReadonlyMap<string, { isDead: boolean; meaning: string }> = new Map([
  ['NOT_FOUND', { isDead: true, meaning: 'the app was removed, or the token expired' }],
  ['INVALID_ARGUMENT', { isDead: false, meaning: 'this is no registration token' }],
  ['TOO_MANY_TOPICS', { isDead: false, meaning: 'the app instance is subscribed to 2,000 topics already' }],
  ['RESOURCE_EXHAUSTED', { isDead: false, meaning: 'too many changes at once: try again later' }],
  ['PERMISSION_DENIED', { isDead: false, meaning: 'the token belongs to another Firebase project' }],
  ['DEADLINE_EXCEEDED', { isDead: false, meaning: 'try again later' }],
  ['INTERNAL', { isDead: false, meaning: 'try again later' }],
  ['UNKNOWN', { isDead: false, meaning: 'try again later' }],
]);
