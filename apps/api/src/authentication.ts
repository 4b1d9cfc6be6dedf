import { hash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '@pushmill/core';
import type { KeyRole, Store } from '@pushmill/store';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

/** Who asks. A person at the dashboard (`password`) only reads. */
export interface Caller {
  appId: string;
  role: KeyRole;
  via: 'key' | 'password';
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** The role that a route asks for; a producer's where nothing is said. */
    role?: KeyRole;
  }
}

const CACHE_MS = 1_000;
const CACHE_SIZE = 10_000;

export interface Authenticator {
  /** @throws ProblemError  401, saying what is missing */
  authenticate(request: FastifyRequest): Promise<Caller>;
  /** Whether the request carries the operator's password. */
  isOperator(request: FastifyRequest): boolean;
  /** Makes a revoked key fail at once in this process; in others it takes at most a second. */
  forget(): void;
}

export function createAuthenticator(deps: {
  store: Pick<Store, 'keys' | 'apps'>;
  operatorPassword: Secret | undefined;
  now?: () => number;
}): Authenticator {
  const { store, operatorPassword } = deps;
  const now = deps.now ?? Date.now;
  // By the key's hash: the process keeps no key in clear. Wrong keys are kept too, or guessing would be a way
  // to load the database.
  const known = new Map<string, { until: number; caller: Promise<Caller | undefined> }>();

  function lookUp(key: string): Promise<Caller | undefined> {
    const hash = sha256(key).toString('base64');
    const cached = known.get(hash);
    if (cached && cached.until > now()) return cached.caller;
    if (known.size >= CACHE_SIZE) known.clear();
    const caller = store.keys
      .authenticate(key)
      .then((found): Caller | undefined => found && { appId: found.appId, role: found.role, via: 'key' });
    known.set(hash, { until: now() + CACHE_MS, caller });
    caller.catch(() => known.delete(hash));
    return caller;
  }

  function isOperator(request: FastifyRequest): boolean {
    const encoded = schemeValue(request, 'basic');
    if (encoded === undefined || operatorPassword === undefined) return false;
    const [user, ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
    // Hashes have one length, so the comparison tells nothing of the password's.
    const same = timingSafeEqual(sha256(rest.join(':')), sha256(operatorPassword.reveal()));
    return same && user === 'operator';
  }

  /** The dashboard chooses an app by `?app=`, which is no parameter of the routes themselves. */
  async function operatorsApp(request: FastifyRequest): Promise<Caller> {
    const query = request.query as Record<string, unknown>;
    const wanted = query.app;
    delete query.app;
    const apps = await store.apps.list();
    const app = wanted === undefined ? apps[0] : apps.find(({ name }) => name === wanted);
    if (!app) throw new ProblemError('not-found', 'There is no such app.');
    return { appId: app.id, role: 'operator', via: 'password' };
  }

  return {
    isOperator,
    forget: () => known.clear(),
    async authenticate(request) {
      const key = schemeValue(request, 'bearer');
      if (key !== undefined) {
        const caller = await lookUp(key);
        if (caller) return caller;
        throw unauthenticated('The API key is unknown or revoked.', 'invalid-key');
      }
      if (isOperator(request)) return operatorsApp(request);
      throw unauthenticated('The header Authorization must be "Bearer" and an API key.', 'required');
    },
  };
}

/** Lets a request pass to its route only with the role that the route asks for. */
export function requireCaller(app: FastifyInstance, authenticator: Authenticator): void {
  app.addHook('onRequest', async (request) => {
    const caller = await authenticator.authenticate(request);
    const { role = 'producer' } = request.routeOptions.config;
    if (role === 'operator' && caller.role !== 'operator') {
      throw new ProblemError('forbidden', 'This needs a key with the role operator; this one is a producer.');
    }
    // A browser sends the password along with any page's request, so it must not change anything.
    if (caller.via === 'password' && request.method !== 'GET' && request.method !== 'HEAD') {
      throw new ProblemError(
        'forbidden',
        'The operator password only reads; use an operator key to change things.',
      );
    }
    request.caller = caller;
  });
}

function unauthenticated(detail: string, code: string): ProblemError {
  return new ProblemError('unauthenticated', detail, {
    errors: [{ pointer: '/headers/authorization', code, detail }],
    headers: { 'www-authenticate': 'Bearer realm="pushmill"' },
  });
}

function schemeValue(request: FastifyRequest, scheme: string): string | undefined {
  const match = /^([a-z]+) +(\S+)$/i.exec(request.headers.authorization ?? '');
  return match?.[1]?.toLowerCase() === scheme ? match[2] : undefined;
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
