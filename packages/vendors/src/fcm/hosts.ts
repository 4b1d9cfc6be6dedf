import { createPool, type Pool, type PoolOptions } from '@pushmill/http2';
import { trustedAuthorities } from '../trusted-authorities.ts';
import type { FcmCredential } from './credential.ts';
import type { FcmSettings } from './settings.ts';

/** The connections of one channel: to send, to get access tokens, and to manage topics when that is first asked. */
export class Hosts {
  readonly send: Pool;
  readonly token: Pool;
  readonly #settings: FcmSettings;
  #iid: Pool | undefined;
  #closed = false;

  constructor(settings: FcmSettings, credential: FcmCredential) {
    this.#settings = settings;
    this.send = this.#open(settings.sendOrigin ?? 'https://fcm.googleapis.com', {
      maxSessions: settings.maxConnections,
      // Google allows 100 and ends the connection of who exceeds it.
      initialMaxStreams: 90,
      maxStreamsPerSession: 90,
      // A certainly unread push costs nothing to send again, and front ends close connections now and then.
      maxResends: 5,
    });
    this.token = this.#open(settings.tokenOrigin ?? new URL(credential.tokenUri).origin, rare);
  }

  /** Undefined when the channel reaches an emulator that has none: nothing of it is sent to Google instead. */
  get iid(): Pool | undefined {
    const { iidOrigin, emulator } = this.#settings;
    if (iidOrigin === undefined && emulator) return undefined;
    if (this.#iid === undefined) {
      this.#iid = this.#open(iidOrigin ?? 'https://iid.googleapis.com', rare);
      if (this.#closed) void this.#iid.close(0);
    }
    return this.#iid;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([this.send, this.token, this.#iid].map((pool) => pool?.close(deadlineMs)));
  }

  #open(origin: string, options: Omit<PoolOptions, 'origin'>): Pool {
    const { requestTimeoutMs } = this.#settings;
    const ca = trustedAuthorities(this.#settings);
    return createPool({ origin, tls: ca === undefined ? {} : { ca }, requestTimeoutMs, ...options });
  }
}

/** One call an hour, or when a person asks: whichever protocol the host speaks. */
const rare: Omit<PoolOptions, 'origin'> = {
  protocol: 'auto',
  maxSessions: 2,
  maxHttp1Sockets: 4,
  initialMaxStreams: 10,
  idleTimeoutMs: 60_000,
};
