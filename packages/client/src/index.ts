export { type Client, createClient, type SendOptions } from './client.ts';
export type * from './dead-letters.ts';
export type * from './devices.ts';
export { type FieldError, PushmillError } from './errors.ts';
export type { EventOptions } from './events.ts';
export type { ClientOptions } from './transport.ts';
export type * from './types.ts';
export type * from './vendor-types.ts';
