import type { Pool } from '@pushmill/http2';
import { createPool } from '@pushmill/http2';
import { trustedAuthorities } from '../trusted-authorities.ts';
import type { ApnsCredential } from './credential.ts';
import { fatalGoawayReasons } from './errors.ts';
import type { ApnsSettings, Environment } from './settings.ts';
import { manageOrigin, otherOrigin, otherThan, ownOrigin } from './settings.ts';

/** Connections that may be given up for what they answer, in this time. */
const retirementWindowMs = 60_000;

/** One host of APNs, as one channel reaches it. */
export class Host {
  readonly pool: Pool;
  readonly environment: Environment;
  /** Whether it is the environment that the channel is set to. */
  readonly own: boolean;
  readonly #mostRetired: number;
  readonly #retired = new Set<string>();
  #windowEnds = 0;

  constructor(origin: string, environment: Environment, settings: ApnsSettings, credential: ApnsCredential) {
    this.environment = environment;
    this.own = environment === settings.environment;
    this.#mostRetired = Math.max(2, settings.maxConnections);
    const ca = trustedAuthorities(settings);
    this.pool = createPool({
      origin,
      tls: {
        ...(ca === undefined ? {} : { ca }),
        ...(credential.kind === 'certificate'
          ? { cert: credential.certificate, key: credential.privateKey }
          : {}),
      },
      maxSessions: settings.maxConnections,
      // APNs allows one stream until a first request has proven the token; SETTINGS then say more.
      initialMaxStreams: 1,
      requestTimeoutMs: settings.requestTimeoutMs,
      // A certainly unread push costs nothing to send again, and APNs ends connections in bursts.
      maxResends: 5,
      // Ten thousand ids of broadcast channels come in one answer.
      maxResponseBytes: 4_194_304,
      fatalGoawayReasons,
    });
  }

  /**
   * Gives up a connection for what it answered. Every connection in use may be bound to something old, but when
   * new ones answer the same, opening more would only look like an attack: Apple blocks who connects and leaves.
   * @returns false when the connection stays, so that sending again would meet the same answer
   */
  retire(reason: string, sessionId: string): boolean {
    if (this.#retired.has(sessionId)) return true;
    const now = performance.now();
    if (now >= this.#windowEnds) {
      this.#retired.clear();
      this.#windowEnds = now + retirementWindowMs;
    }
    if (this.#retired.size >= this.#mostRetired) return false;
    this.#retired.add(sessionId);
    this.pool.retire(reason, sessionId);
    return true;
  }
}

/** The hosts of one channel. All but the channel's own are opened when they are first needed. */
export class Hosts {
  readonly own: Host;
  readonly #settings: ApnsSettings;
  readonly #credential: ApnsCredential;
  readonly #open: Host[];
  #other: Host | undefined;
  #manage: Host | undefined;
  #closed = false;

  constructor(settings: ApnsSettings, credential: ApnsCredential) {
    this.#settings = settings;
    this.#credential = credential;
    this.own = new Host(ownOrigin(settings), settings.environment, settings, credential);
    this.#open = [this.own];
  }

  /** The host for pushes of the other environment; undefined when an emulator has none. */
  get other(): Host | undefined {
    this.#other ??= this.#reach(otherOrigin(this.#settings), otherThan(this.#settings.environment));
    return this.#other;
  }

  /** The host that manages broadcast channels of the channel's environment; undefined when an emulator has none. */
  get manage(): Host | undefined {
    this.#manage ??= this.#reach(manageOrigin(this.#settings), this.#settings.environment);
    return this.#manage;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#open.map(({ pool }) => pool.close(deadlineMs)));
  }

  #reach(origin: string | undefined, environment: Environment): Host | undefined {
    if (origin === undefined) return undefined;
    const host = new Host(origin, environment, this.#settings, this.#credential);
    this.#open.push(host);
    // Its requests are then answered like all others that come too late.
    if (this.#closed) void host.pool.close(0);
    return host;
  }
}
