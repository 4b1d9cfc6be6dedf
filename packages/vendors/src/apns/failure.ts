import type { Outcome } from '@pushmill/core';
import type { PoolError } from '@pushmill/http2';
import { unanswered } from '../pool-failure.ts';
import { fatalGoawayReasons, reasons } from './errors.ts';

/** What a request without an answer concludes. */
export function outcomeOfFailure(error: PoolError): Outcome {
  const reason = error.goawayReason;
  if (reason !== undefined && (fatalGoawayReasons as readonly string[]).includes(reason)) {
    const row = reasons.get(reason);
    const detail = row?.kind === 'misconfigured' ? row.detail : 'APNs refused the credential.';
    return { kind: 'misconfigured', code: reason, detail };
  }
  if (error.kind === 'tls' && refusedCertificate.test(error.detail)) {
    return {
      kind: 'misconfigured',
      code: 'certificate-refused',
      detail: `The other side refused the client certificate in the TLS handshake (${error.detail}).`,
    };
  }
  const outcome = unanswered(error);
  return reason === undefined || outcome.kind !== 'unavailable' ? outcome : { ...outcome, code: reason };
}

/** Alerts that a peer sends about our certificate; the ones about its own are verification errors here. */
const refusedCertificate = /ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA)/i;
