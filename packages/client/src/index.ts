export { type Client, createClient, type SendOptions } from './client.ts';
export { type FieldError, PushmillError } from './errors.ts';
export type { EventOptions } from './events.ts';
export type { ClientOptions } from './transport.ts';
export type * from './types.ts';
