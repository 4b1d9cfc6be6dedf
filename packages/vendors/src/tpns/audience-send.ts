import { randomUUID } from 'node:crypto';
import type { Outcome } from '@pushmill/core';
import { withoutToken } from '../audience-outcome.ts';
import type { OutgoingPush, SharedValues } from '../vendor.ts';
import type { TpnsAudience } from './audience.ts';
import { audienceBody, sendTimeOf } from './audience-body.ts';
import { repeatedContent } from './errors.ts';
import { packageFile } from './package-file.ts';
import { emulatorHeaders, pushPath } from './payload.ts';
import type { Channel, Transport } from './transport.ts';

/** Longer than TPNS remembers a content. */
const attemptKeptMs = 2 * 3_600_000;

/** Sends one push to whom TPNS finds by itself: one call, or an upload and a call. */
export class AudienceSender {
  readonly #channel: Channel;
  readonly #transport: Transport;
  readonly #shared: SharedValues;
  readonly #now: () => number;

  constructor(channel: Channel, transport: Transport, shared: SharedValues, now: () => number) {
    this.#channel = channel;
    this.#transport = transport;
    this.#shared = shared;
    this.#now = now;
  }

  async send(push: OutgoingPush, signal: AbortSignal): Promise<Outcome> {
    const audience = push.audience as TpnsAudience;
    const at = sendTimeOf(audience);
    if (at !== undefined && at >= push.message.expiresAt) {
      return {
        kind: 'rejected',
        code: 'send-time-after-expiry',
        detail: 'sendTime of the audience is later than the message expires',
      };
    }
    let uploadId: number | undefined;
    if (audience.kind === 'package') {
      const uploaded = 'uploadId' in audience ? audience.uploadId : await this.#upload(audience, signal);
      if (typeof uploaded !== 'number') return uploaded;
      uploadId = uploaded;
    }
    if (audience.kind !== 'all' && audience.kind !== 'tag')
      return this.#call(push, audience, uploadId, signal);
    return this.#callOnce(push, audience, signal);
  }

  /**
   * To all and to tags TPNS takes the same content once an hour, and so refuses the repetition of a call that it
   * took without our hearing of it. Such a refusal means that the message is on its way; the same refusal of a
   * first attempt means that an equal message went before it. What tells them apart is a mark that is made before
   * the call, shared by all workers, and wiped as soon as the call is known not to have been taken.
   */
  async #callOnce(push: OutgoingPush, audience: TpnsAudience, signal: AbortSignal): Promise<Outcome> {
    const key = `tpns:${this.#channel.id}:attempt:${push.identity}`;
    const mark = randomUUID();
    const isFirst = (await this.#shared.getOrMake(key, attemptKeptMs, async () => mark)) === mark;
    const outcome = await this.#call(push, audience, undefined, signal);
    if (outcome.kind === 'rejected' && outcome.code === repeatedContent && !isFirst) {
      return { kind: 'accepted', detail: 'TPNS has the message from an attempt that it did not answer' };
    }
    const isOpen = outcome.kind === 'unavailable' && outcome.mayHaveArrived;
    if (isFirst && !isOpen) await this.#shared.forget(key, mark);
    return outcome;
  }

  async #call(
    push: OutgoingPush,
    audience: TpnsAudience,
    uploadId: number | undefined,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { settings } = this.#channel;
    const verdict = await this.#transport.ask(
      {
        path: pushPath,
        body: () => audienceBody(audience, uploadId, push.message, settings, this.#now()),
        headers: emulatorHeaders([push], settings),
        hidden: targetsOf(audience),
      },
      signal,
    );
    const outcome = withoutToken(verdict.outcome);
    if (outcome.kind !== 'accepted' || outcome.vendorMessageId === undefined) return outcome;
    // Each turn of a loop is a task of its own, and most of them lie beyond the last time that we ask.
    if ('loop' in audience && audience.loop !== undefined) {
      return { ...outcome, detail: 'a loop, of which the first task is named' };
    }
    return settings.statistics === 'off' ? outcome : { ...outcome, poll: true };
  }

  /** @returns the id under which TPNS keeps the package, or why there is none */
  async #upload(
    audience: { tokens: readonly string[] } | { accounts: readonly string[] },
    signal: AbortSignal,
  ): Promise<number | Outcome> {
    const targets = 'tokens' in audience ? audience.tokens : audience.accounts;
    const file = packageFile(targets);
    const { outcome, fields } = await this.#transport.ask(
      {
        path: '/v3/push/package/upload',
        body: () => file.body,
        contentType: file.contentType,
        hidden: targets,
      },
      signal,
    );
    const uploadId = Number(fields.uploadId ?? fields.upload_id);
    if (outcome.kind === 'accepted') {
      if (Number.isSafeInteger(uploadId) && uploadId > 0) return uploadId;
      return {
        kind: 'unavailable',
        code: 'no-upload-id',
        detail: 'TPNS took the package and gave it no id',
        mayHaveArrived: false,
      };
    }
    // An upload is no push: whatever became of it, nobody was sent anything.
    return outcome.kind === 'unavailable' ? { ...outcome, mayHaveArrived: false } : withoutToken(outcome);
  }
}

function targetsOf(audience: TpnsAudience): readonly string[] {
  if ('tokens' in audience) return audience.tokens;
  return 'accounts' in audience ? audience.accounts : [];
}
