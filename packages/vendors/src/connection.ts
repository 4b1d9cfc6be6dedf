import { createPool, type Pool } from '@pushmill/http2';
import { Type } from 'typebox';

/*
 * What every vendor with plain HTTPS calls has among its settings. The fields stand in two groups because the
 * order of a schema is the order of its form.
 */

/** @param place  what the address is in place of */
export const addressFields = (place: string) => ({
  host: Type.Optional(
    Type.String({ pattern: '^https://[^/?#@\\s]+$', description: `Origin in place of ${place}` }),
  ),
  ca: Type.Optional(Type.String({ description: 'PEM; replaces the public CA set' })),
});

export const limitFields = {
  requestTimeoutMs: Type.Integer({ default: 10_000, minimum: 20, maximum: 120_000 }),
  maxConnections: Type.Integer({ default: 32, minimum: 1, maximum: 256 }),
  emulator: Type.Boolean({ default: false, description: 'The channel talks to an emulator' }),
};

/** The connections of one channel to a host that does not promise HTTP/2. */
export function openPool(
  origin: string,
  settings: { ca?: string; requestTimeoutMs: number; maxConnections: number },
): Pool {
  return createPool({
    origin,
    tls: settings.ca === undefined ? {} : { ca: settings.ca },
    protocol: 'auto',
    maxHttp1Sockets: settings.maxConnections,
    requestTimeoutMs: settings.requestTimeoutMs,
  });
}
