/** An answer as it goes out. */
export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** What the account counts it under; undefined for a good one. */
  code?: string;
}

export const jsonHeaders = { 'content-type': 'application/json; charset=UTF-8', vary: 'Origin' };
const htmlHeaders = { 'content-type': 'text/html; charset=UTF-8' };

export function ok(body: unknown): Answer {
  return { status: 200, headers: jsonHeaders, body: JSON.stringify(body) };
}

type Detail = Readonly<Record<string, unknown>> & { '@type': string };

const statuses = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const;

/**
 * An error as Google's APIs tell it.
 * @param code  what the account counts it under; default the status
 */
export function failure(
  status: keyof typeof statuses,
  message: string,
  details: readonly Detail[] = [],
  more: { code?: string; headers?: Readonly<Record<string, string>> } = {},
): Answer {
  const error = { code: statuses[status], message, status, ...(details.length === 0 ? {} : { details }) };
  return {
    status: error.code,
    headers: { ...jsonHeaders, ...more.headers },
    body: JSON.stringify({ error }, undefined, 2),
    code: more.code ?? status,
  };
}

export const fcmError = (errorCode: string): Detail => ({
  '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError',
  errorCode,
});

export const apnsError = (statusCode: number, reason: string): Detail => ({
  '@type': 'type.googleapis.com/google.firebase.fcm.v1.ApnsError',
  statusCode,
  reason,
});

export interface Violation {
  field: string;
  description: string;
}

export const badRequest = (fieldViolations: readonly Violation[] = []): Detail => ({
  '@type': 'type.googleapis.com/google.rpc.BadRequest',
  // Seen empty, where FCM found fault with the whole message.
  ...(fieldViolations.length === 0 ? {} : { fieldViolations }),
});

const quotaFailure = (subject: string, description: string): Detail => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: [{ subject, description }],
});

const errorInfo = (reason: string, domain: string, metadata: Readonly<Record<string, string>>): Detail => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain,
  metadata,
});

/** The body is no such message: told by the layer that reads JSON, which knows nothing of FCM's codes. */
export function unreadable(violations: readonly Violation[]): Answer {
  const message = violations.map(({ description }) => description).join('\n');
  return failure('INVALID_ARGUMENT', message, [badRequest(violations)]);
}

/** The message is one, and FCM finds fault with it. */
export function invalid(message: string, violations: readonly Violation[] = []): Answer {
  return failure('INVALID_ARGUMENT', message, [badRequest(violations), fcmError('INVALID_ARGUMENT')]);
}

export const generalMessage = 'Request contains an invalid argument.';

export const invalidToken = failure(
  'INVALID_ARGUMENT',
  'The registration token is not a valid FCM registration token',
  [fcmError('INVALID_ARGUMENT')],
);

export const tooBig = invalid('Android message is too big');

export const unregistered = failure(
  'NOT_FOUND',
  'Requested entity was not found.',
  [fcmError('UNREGISTERED')],
  { code: 'UNREGISTERED' },
);

export const senderMismatch = failure(
  'PERMISSION_DENIED',
  'SenderId mismatch',
  [fcmError('SENDER_ID_MISMATCH')],
  { code: 'SENDER_ID_MISMATCH' },
);

const thirdParty = [fcmError('THIRD_PARTY_AUTH_ERROR')];
const expected =
  'Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.';
const missingText = `Request is missing required authentication credential. ${expected}`;
const invalidText = `Request had invalid authentication credentials. ${expected}`;

/** The key for APNs or for Web Push in the project is missing or wrong; FCM has two texts for it. */
export const thirdPartyAuth = (text: 'plain' | 'misleading') =>
  failure(
    'UNAUTHENTICATED',
    text === 'plain' ? 'Auth error from APNS or Web Push Service' : missingText,
    thirdParty,
    { code: 'THIRD_PARTY_AUTH_ERROR' },
  );

export const unauthenticated = {
  missing: failure('UNAUTHENTICATED', missingText, [
    errorInfo('CREDENTIALS_MISSING', 'googleapis.com', { service: 'fcm.googleapis.com' }),
  ]),
  unknown: failure('UNAUTHENTICATED', invalidText),
  expired: failure('UNAUTHENTICATED', invalidText, [
    errorInfo('ACCESS_TOKEN_EXPIRED', 'googleapis.com', { service: 'fcm.googleapis.com' }),
  ]),
};

export const tooFewScopes = failure('PERMISSION_DENIED', 'Request had insufficient authentication scopes.', [
  errorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'googleapis.com', {
    service: 'fcm.googleapis.com',
    method: 'google.firebase.fcm.v1.FcmService.SendMessage',
  }),
]);

export function permissionDenied(project: string): Answer {
  const permission = 'cloudmessaging.messages.create';
  const resource = `//cloudresourcemanager.googleapis.com/projects/${project}`;
  const message = `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`;
  return failure('PERMISSION_DENIED', message, [
    errorInfo('IAM_PERMISSION_DENIED', 'iam.googleapis.com', {
      permission,
      resource: `projects/${project}`,
    }),
  ]);
}

export function apiDisabled(project: string): Answer {
  const message = `Firebase Cloud Messaging API has not been used in project ${project} before or it is disabled.`;
  return failure('PERMISSION_DENIED', message, [
    errorInfo('SERVICE_DISABLED', 'googleapis.com', {
      service: 'fcm.googleapis.com',
      consumer: `projects/${project}`,
    }),
  ]);
}

/** Of the project, and with no word of any token. */
export const projectNotFound = failure('NOT_FOUND', 'Requested entity was not found.');

/** @param scope  what of it is exceeded: the project's rate, one device's, one topic's */
export function quotaExceeded(
  scope: 'project' | 'device' | 'topic',
  name: string,
  headers: Readonly<Record<string, string>>,
): Answer {
  const [message, description] = quotaTexts[scope];
  const details = [quotaFailure(`${scope}:${name}`, description), fcmError('QUOTA_EXCEEDED')];
  return failure('RESOURCE_EXHAUSTED', message, details, { code: 'QUOTA_EXCEEDED', headers });
}

const quotaTexts = {
  project: ['Quota exceeded.', 'Message rate exceeded'],
  device: ['Quota exceeded.', 'Device message rate exceeded'],
  topic: ['Topic quota exceeded.', 'Topic message rate exceeded'],
} as const;

export const unavailable = (headers: Readonly<Record<string, string>>) =>
  failure('UNAVAILABLE', 'The service is currently unavailable.', [fcmError('UNAVAILABLE')], { headers });

/** Google's robot page, which is what a front end says by itself. */
export function frontEndPage(status: 404 | 413 | 502): Answer {
  const [title, text] = pages[status];
  return {
    status,
    headers: htmlHeaders,
    body: `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${status} (${title})!!1</title>\n<p><b>${status}.</b> <ins>That’s an error.</ins>\n<p>${text}  <ins>That’s all we know.</ins>\n`,
    code: `HTML ${status}`,
  };
}

const pages = {
  404: ['Not Found', 'The requested URL was not found on this server.'],
  413: ['Request Entity Too Large', 'Your client issued a request that was too large.'],
  502: ['Server Error', 'The server encountered a temporary error and could not complete your request.'],
} as const;
