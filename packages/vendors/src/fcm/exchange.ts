import type { Outcome } from '@pushmill/core';
import { type Pool, PoolError, type PoolRequest } from '@pushmill/http2';
import { unanswered } from '../pool-failure.ts';
import type { OpenChannel, SenderDeps } from '../vendor.ts';
import { Warnings } from '../warnings.ts';
import { AccessTokens, type Authorization } from './access-token.ts';
import { readRefusal, readTaken, type Verdict } from './answer.ts';
import type { FcmCredential } from './credential.ts';
import { Hosts } from './hosts.ts';
import type { FcmSettings } from './settings.ts';
import { privateKeyOf, TokenEndpoint } from './token-endpoint.ts';

export type Channel = OpenChannel<FcmSettings, FcmCredential>;

/** One call, but for what authorises it. */
export interface Call {
  path: string;
  body: string;
  /** Besides those that every call has. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Texts that must not come back in a detail. */
  hidden: readonly string[];
}

/** Authorised calls to Google, sent a second time where only the access token was refused. */
export class Exchange {
  readonly hosts: Hosts;
  readonly warnings: Warnings;
  readonly #tokens: AccessTokens;
  readonly #now: () => number;

  /** @throws CredentialError  when the private key cannot be read */
  constructor({ id, settings, credential }: Channel, deps: SenderDeps) {
    const { now, shared } = deps;
    this.#now = now;
    this.warnings = new Warnings(id, deps.warn);
    const privateKey = privateKeyOf(credential);
    this.hosts = new Hosts(settings, credential);
    const endpoint = new TokenEndpoint(credential, privateKey, this.hosts.token, now, this.warnings);
    const { clientEmail, privateKeyId = '', tokenUri } = credential;
    this.#tokens = new AccessTokens(
      privateKey,
      [clientEmail, privateKeyId, tokenUri, settings.tokenOrigin ?? ''],
      () => endpoint.exchange(),
      { shared, now, warnings: this.warnings },
    );
  }

  /** Never rejects for an expected answer. */
  ask(pool: Pool, call: Call, signal: AbortSignal): Promise<Verdict> {
    return this.run(pool, call, signal, (verdict) => verdict);
  }

  /** The same for whoever makes something of the verdict: so that a push costs one promise and not two. */
  async run<Conclusion>(
    pool: Pool,
    call: Call,
    signal: AbortSignal,
    conclude: (verdict: Verdict) => Conclusion | Promise<Conclusion>,
  ): Promise<Conclusion> {
    let resent = false;
    for (;;) {
      // Any await but the request itself would cost every push a turn of the queue.
      const authorization: Authorization | Outcome = this.#tokens.ready ?? (await this.#tokens.obtain());
      if ('kind' in authorization) return conclude({ outcome: authorization });
      const { headers } = authorization;
      const request: PoolRequest = {
        method: 'POST',
        path: call.path,
        headers: call.headers === undefined ? headers : { ...headers, ...call.headers },
        body: call.body,
        signal,
      };
      try {
        const response = await pool.request(request);
        if (response.status === 200) return conclude(readTaken(response));
        // The hot path ends here; everything below is about an answer that is not a plain yes.
        const verdict = readRefusal(response, [...call.hidden, authorization.token], this.#now());
        this.#warn(verdict);
        if (verdict.fault !== 'authorization' || resent) return conclude(verdict);
        if (!(await this.#tokens.refused(authorization))) return conclude(verdict);
      } catch (error) {
        if (error instanceof PoolError) return conclude({ outcome: unanswered(error) });
        throw error;
      }
      resent = true;
    }
  }

  close(deadlineMs: number): Promise<void> {
    return this.hosts.close(deadlineMs);
  }

  #warn({ warning, outcome }: Verdict): void {
    if (warning === undefined) return;
    const code = 'code' in outcome ? outcome.code : '';
    this.warnings.once(`${code} ${warning}`, warning, { code });
  }
}
