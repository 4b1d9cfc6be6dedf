import type { IncomingHttpHeaders } from 'node:http2';
import { type CallFate, CallPlan, seededRandom } from '../answer-plan.ts';
import { EmulatorTally } from '../emulator-tally.ts';
import { isBroadcastPath } from './emulator-broadcast.ts';
import type { Refusal } from './emulator-checks.ts';
import { tokenOf } from './emulator-checks.ts';
import type { ReceivedRequest } from './emulator-listener.ts';

/** A push as the emulator took it. */
export interface TakenPush {
  /** Empty for a broadcast. */
  token: string;
  /** Of a broadcast. */
  channelId?: string;
  identity: string;
  environment: 'production' | 'sandbox';
  /** Milliseconds, by the emulator's clock. */
  at: number;
  headers: IncomingHttpHeaders;
  /** Kept only when someone listens. */
  body: Buffer;
}

export interface AnswerOptions {
  seed: number;
  /** Milliseconds. */
  now: () => number;
  limitDropsOnRefusal: boolean;
  refusalsPerConnection: number;
  errorContentType: boolean;
  onPush?: ((push: TakenPush) => void) | undefined;
}

/** What requests get, and what was taken and refused so far. */
export class Answers {
  readonly plan: CallPlan;
  readonly tally = new EmulatorTally();
  readonly #random: () => number;
  readonly #options: AnswerOptions;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.plan = new CallPlan(this.#random);
  }

  /** A sound request: what was planned for its target, else what chance says, else yes. */
  answer(request: ReceivedRequest, target: string): void {
    // APNs sends no receipts, so of what is dropped nothing can be told later.
    const { answer, slow } = this.plan.decide([target]);
    if (slow) setTimeout(() => this.#give(request, answer), 200 + Math.floor(this.#random() * 1_000));
    else this.#give(request, answer);
  }

  #give(request: ReceivedRequest, answer: CallFate['answer']): void {
    const { connection, stream } = request;
    switch (answer) {
      case 'accepted':
        this.#accept(request);
        return;
      case 'timeout':
        return;
      case 'reset':
        this.#take(request);
        connection.kill();
        return;
      case 'goaway':
        connection.endBefore(stream, 'Shutdown');
        return;
      case 'misconfigured':
        if (connection.certificate === undefined) {
          this.refuse(request, { status: 403, reason: 'InvalidProviderToken' });
        } else {
          this.tally.refuse('BadCertificateEnvironment');
          connection.endBefore(stream, 'BadCertificateEnvironment');
        }
        return;
      default:
        this.refuse(
          request,
          (isBroadcastPath(pathOf(request.headers)) ? plannedForBroadcasts : planned)[answer],
        );
    }
  }

  #accept(request: ReceivedRequest): void {
    const { connection, stream, headers } = request;
    if (stream.destroyed || (stream.id ?? 0) > connection.lastStreamId) return;
    const id = this.#take(request);
    const answer: Record<string, string | number> = { ':status': 200, [idHeader(headers)]: id };
    if (connection.environment === 'sandbox') answer['apns-unique-id'] = crypto.randomUUID();
    stream.respond(answer, { endStream: true });
    connection.succeeded();
  }

  /** The push is APNs' now. An id that the sender left out is made here, in capitals as APNs makes its own. */
  #take({ connection, headers, body }: ReceivedRequest): string {
    const given = requestIdOf(headers);
    const id = given ?? crypto.randomUUID().toUpperCase();
    this.tally.take(id);
    const channelId = headers['apns-channel-id'] as string | undefined;
    this.#options.onPush?.({
      token: channelId === undefined ? tokenOf(headers) : '',
      ...(channelId === undefined ? {} : { channelId }),
      identity: id,
      environment: connection.environment,
      at: this.#options.now(),
      headers,
      body,
    });
    return id;
  }

  refuse({ connection, stream, headers }: ReceivedRequest, refusal: Refusal): void {
    this.tally.refuse(refusal.reason);
    const { status, reason } = refusal;
    const answer: Record<string, string | number> = {
      ':status': status,
      [idHeader(headers)]: requestIdOf(headers) ?? crypto.randomUUID().toUpperCase(),
    };
    if (this.#options.errorContentType) answer['content-type'] = 'application/json';
    if (stream.destroyed) return;
    stream.respond(answer);
    stream.end(JSON.stringify(status === 410 ? { reason, timestamp: this.#options.now() } : { reason }));
    // A dead token is no fault of the connection; a bad one is.
    if (status === 410) return;
    if (this.#options.limitDropsOnRefusal) connection.setLimit(1);
    connection.errors += 1;
    if (connection.errors >= this.#options.refusalsPerConnection) connection.end(stream.id ?? 1);
  }
}

function pathOf(headers: IncomingHttpHeaders): string {
  return headers[':path'] as string;
}

/** A push is known by one header, everything about broadcasts by another. */
function idHeader(headers: IncomingHttpHeaders): 'apns-id' | 'apns-request-id' {
  return isBroadcastPath(pathOf(headers)) ? 'apns-request-id' : 'apns-id';
}

export function requestIdOf(headers: IncomingHttpHeaders): string | undefined {
  return headers[idHeader(headers)] as string | undefined;
}

type PlannedRefusals = Readonly<Record<'token-dead' | 'rejected' | 'throttled' | 'unavailable', Refusal>>;

const planned: PlannedRefusals = {
  'token-dead': { status: 410, reason: 'Unregistered' },
  rejected: { status: 400, reason: 'BadDeviceToken' },
  throttled: { status: 429, reason: 'TooManyRequests' },
  unavailable: { status: 503, reason: 'ServiceUnavailable' },
};

const plannedForBroadcasts: PlannedRefusals = {
  'token-dead': { status: 400, reason: 'ChannelNotRegistered' },
  rejected: { status: 400, reason: 'BadChannelId' },
  throttled: { status: 429, reason: 'TooManyRequests' },
  unavailable: { status: 503, reason: 'ServiceUnavailable' },
};
