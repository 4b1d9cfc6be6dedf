import { createDeadLetters, type DeadLetters } from './dead-letters.ts';
import { createDevices, type Devices } from './devices.ts';
import { type EventOptions, readEvents } from './events.ts';
import { type Call, type ClientOptions, createTransport } from './transport.ts';
import type {
  Acceptance,
  BatchItem,
  Channel,
  ChannelChange,
  Key,
  KeyRole,
  ListPage,
  Message,
  MessageRequest,
  NewChannel,
  NewKey,
  Push,
  PushFilter,
  PushState,
  PushWithTimeline,
  Receipt,
  ServerEvent,
} from './types.ts';
import type { OperationAnswer, Vendor } from './vendor-types.ts';

/** A vendor is asked on the way, and the api itself gives up after a minute. */
const OPERATION_TIMEOUT_MS = 75_000;

export interface SendOptions {
  /** The same key with the same body sends once. A new one is made for every call that brings none. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface Client {
  readonly messages: {
    /** @throws PushmillError  `errors` names each field that is wrong */
    send(message: MessageRequest, options?: SendOptions): Promise<Acceptance>;
    /** Up to 1,000 messages, each answered on its own, in order. */
    sendBatch(messages: readonly MessageRequest[], options?: SendOptions): Promise<BatchItem[]>;
    get(id: string): Promise<Message>;
    /** The latest first. */
    list(query?: { limit?: number }): AsyncIterable<Message>;
    /** What has not been sent; what is in flight may still arrive. */
    cancel(id: string): Promise<Message>;
    /** Holds back what has not been sent, until it is resumed or expires. */
    pause(id: string): Promise<Message>;
    resume(id: string): Promise<Message>;
    /** All pushes of a message, page by page as they are read. */
    pushes(id: string, query?: { state?: PushState; vendor?: string; limit?: number }): AsyncIterable<Push>;
  };
  readonly pushes: {
    get(id: string): Promise<PushWithTimeline>;
    /** "Did it arrive?" */
    find(filter: PushFilter & { limit?: number }): AsyncIterable<Push>;
  };
  readonly devices: Devices;
  readonly channels: {
    list(): Promise<Channel[]>;
    get(name: string): Promise<Channel>;
    create(channel: NewChannel): Promise<Channel>;
    update(name: string, change: ChannelChange): Promise<Channel>;
    delete(name: string): Promise<void>;
    /** @param reason  for whoever finds it paused */
    pause(name: string, reason?: string): Promise<Channel>;
    resume(name: string): Promise<Channel>;
    /** Replaces the credential. */
    rotate(name: string, credential: Record<string, unknown>): Promise<Channel>;
    /** Proves the credential against the vendor without a push, where the vendor allows it. */
    verify(name: string): Promise<OperationAnswer>;
    /**
     * Has the vendor do something else than send; `vendors.get` lists what. Waits for the vendor's answer.
     * @throws PushmillError  when no worker is there to ask the vendor, or the input has not the right form
     */
    operate(name: string, operation: string, input?: Record<string, unknown>): Promise<OperationAnswer>;
  };
  readonly vendors: {
    list(): Promise<Vendor[]>;
    get(name: string): Promise<Vendor>;
  };
  readonly keys: {
    list(): Promise<Key[]>;
    create(key: { name: string; role: KeyRole }): Promise<NewKey>;
    revoke(id: string): Promise<void>;
  };
  readonly receipts: {
    /** Callbacks as they came, with what was made of them. */
    list(query?: { result?: Receipt['result']; limit?: number }): AsyncIterable<Receipt>;
  };
  readonly deadLetters: DeadLetters;
  /** Live events until the signal aborts; reconnects by itself. */
  events(options?: EventOptions): AsyncIterable<ServerEvent>;
}

/**
 * A client of one pushmill installation. Holds no connection and needs no closing.
 * Every method throws `PushmillError` on an answer other than 2xx, after the tries that `ClientOptions` allow.
 */
export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options);

  const get = <T>(path: string) => transport.json<T>({ method: 'GET', path });
  const change = <T>(method: Call['method'], path: string, body?: unknown) =>
    transport.json<T>({ method, path, body });

  async function* pages<T>(path: string, query: object = {}): AsyncGenerator<T> {
    let cursor: string | null | undefined;
    do {
      const page = await transport.json<ListPage<T>>({ method: 'GET', path, query: { ...query, cursor } });
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor);
  }

  const all = async <T>(path: string): Promise<T[]> => {
    const items: T[] = [];
    for await (const item of pages<T>(path)) items.push(item);
    return items;
  };

  return {
    messages: {
      send: (message, { idempotencyKey, signal } = {}) =>
        transport.json({
          method: 'POST',
          path: '/v1/messages',
          body: message,
          // Made once per call and not per try: that is what makes trying again safe.
          idempotencyKey: idempotencyKey ?? crypto.randomUUID(),
          signal,
        }),
      sendBatch: async (messages, { idempotencyKey, signal } = {}) => {
        const answer = await transport.json<{ items: BatchItem[] }>({
          method: 'POST',
          path: '/v1/messages/batch',
          body: { messages },
          idempotencyKey: idempotencyKey ?? crypto.randomUUID(),
          signal,
        });
        return answer.items;
      },
      get: (id) => get(`/v1/messages/${segment(id)}`),
      list: (query) => pages('/v1/messages', query),
      cancel: (id) => change('POST', `/v1/messages/${segment(id)}/cancel`),
      pause: (id) => change('POST', `/v1/messages/${segment(id)}/pause`),
      resume: (id) => change('POST', `/v1/messages/${segment(id)}/resume`),
      pushes: (id, query) => pages(`/v1/messages/${segment(id)}/pushes`, query),
    },
    pushes: {
      get: (id) => get(`/v1/pushes/${segment(id)}`),
      find: (filter) => pages('/v1/pushes', filter),
    },
    devices: createDevices({ json: change, pages }),
    channels: {
      list: () => all('/v1/channels'),
      get: (name) => get(`/v1/channels/${segment(name)}`),
      create: (channel) => change('POST', '/v1/channels', channel),
      update: (name, body) => change('PATCH', `/v1/channels/${segment(name)}`, body),
      delete: (name) => change('DELETE', `/v1/channels/${segment(name)}`),
      pause: (name, reason) =>
        change('POST', `/v1/channels/${segment(name)}/pause`, reason === undefined ? {} : { reason }),
      resume: (name) => change('POST', `/v1/channels/${segment(name)}/resume`),
      rotate: (name, credential) => change('POST', `/v1/channels/${segment(name)}/rotate`, { credential }),
      verify: (name) =>
        transport.json({
          method: 'POST',
          path: `/v1/channels/${segment(name)}/verify`,
          timeoutMs: OPERATION_TIMEOUT_MS,
        }),
      operate: (name, operation, input = {}) =>
        transport.json({
          method: 'POST',
          path: `/v1/channels/${segment(name)}/operations/${segment(operation)}`,
          body: input,
          timeoutMs: OPERATION_TIMEOUT_MS,
        }),
    },
    vendors: {
      list: () => all('/v1/vendors'),
      get: (name) => get(`/v1/vendors/${segment(name)}`),
    },
    keys: {
      list: () => all('/v1/keys'),
      create: (key) => change('POST', '/v1/keys', key),
      revoke: (id) => change('DELETE', `/v1/keys/${segment(id)}`),
    },
    receipts: { list: (query) => pages('/v1/receipts', query) },
    deadLetters: createDeadLetters({ json: transport.json, pages }),
    events: (eventOptions = {}) => readEvents(transport, eventOptions),
  };
}

function segment(text: string): string {
  return encodeURIComponent(text);
}
