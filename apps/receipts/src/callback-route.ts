import type { OpenedChannel } from '@pushmill/store';
import type { CallbackVerdict, Vendor, VendorReceipt } from '@pushmill/vendors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CallbackChannels } from './callback-channels.ts';
import type { ReceiptRecorder } from './recorder.ts';
import type { ReceiptsDeps } from './server.ts';
import type { StrayBudget } from './stray-budget.ts';

/** What became of a callback; counted by vendor. */
export type CallbackResult =
  | 'unknown'
  | 'refused'
  | 'unreadable'
  | 'recorded'
  | 'duplicate'
  | 'unmatched'
  | 'ignored';

export interface CallbackDeps extends Pick<ReceiptsDeps, 'store' | 'vendors' | 'log'> {
  channels: CallbackChannels;
  recorder: ReceiptRecorder;
  strays: StrayBudget;
  count: (vendor: string, result: CallbackResult) => void;
}

type Request = FastifyRequest<{ Params: { vendor: string; channelKey: string } }>;

/**
 * POST /callbacks/:vendor/:channelKey. The bytes are verified as they came and before anything is read from
 * them; a vendor hears 2xx only when its receipts are stored, so that it repeats what was not.
 */
export function callbackRoute(app: FastifyInstance, deps: CallbackDeps): void {
  const { store, vendors, channels, recorder, strays, count } = deps;

  app.post('/callbacks/:vendor/:channelKey', async (request: Request, reply) => {
    const vendor = vendors[request.params.vendor];
    const channel =
      vendor?.readCallback && isKey(request.params.channelKey)
        ? await channels.find(vendor.name, request.params.channelKey)
        : undefined;
    if (!vendor || !channel) {
      // One label for all names that strangers make up.
      count(vendor?.name ?? 'none', 'unknown');
      return answer(reply, 404, '');
    }
    const call = {
      rawQuery: rawQueryOf(request.url),
      rawBody: (request.body as Buffer | undefined) ?? Buffer.alloc(0),
    };
    const verdict = read(vendor, channel, { ...call, headers: request.headers });
    switch (verdict.kind) {
      case 'refused':
        count(vendor.name, 'refused');
        await keep(channel, 'refused', verdict, call);
        return answer(reply, 401, '');
      case 'unreadable':
        count(vendor.name, 'unreadable');
        await keep(channel, 'unreadable', verdict, call);
        return answer(reply, 200, 'success');
      case 'receipts': {
        const results = await recorder.record(
          verdict.receipts.map((receipt) => ({
            ...storable(receipt),
            channelId: channel.id,
            proof: verdict.proof,
            ...call,
          })),
        );
        for (const result of results) count(vendor.name, result);
        if (results.length === 0) count(vendor.name, 'ignored');
        return answer(reply, 200, verdict.answer);
      }
      default:
        return verdict satisfies never;
    }
  });

  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/callbacks/:vendor/:channelKey',
    handler: async (_request, reply) => answer(reply.header('allow', 'POST'), 405, ''),
  });

  /** A reader that throws has a bug; the callback is kept for the one who mends it, and not lost. */
  function read(
    vendor: Vendor,
    channel: OpenedChannel,
    call: { rawQuery: string; rawBody: Buffer; headers: Request['headers'] },
  ): CallbackVerdict {
    try {
      const opened = { ...channel, credential: channel.credential as Record<string, unknown> };
      return vendor.readCallback?.(call, opened) as CallbackVerdict;
    } catch (error) {
      deps.log.error({ err: error, vendor: vendor.name, channel: channel.name }, 'receipts.reader-failed');
      return {
        kind: 'refused',
        code: 'reader-failed',
        detail: 'The callback could not be read; see the log.',
      };
    }
  }

  async function keep(
    channel: OpenedChannel,
    result: 'refused' | 'unreadable',
    reason: { code: string; detail: string },
    call: { rawQuery: string; rawBody: Buffer },
  ): Promise<void> {
    if (!strays.take(channel.id)) return;
    const { code, detail } = reason;
    await store.receipts.keepStray({ channelId: channel.id, result, code, detail, ...call });
  }
}

/** JSON can spell what Postgres takes for no text; such a receipt must not be refused for ever. */
function storable(receipt: VendorReceipt): VendorReceipt {
  const clean = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd');
  const { token } = receipt;
  return {
    ...receipt,
    token: token === undefined ? undefined : clean(token),
    code: clean(receipt.code),
    detail: clean(receipt.detail),
  };
}

function answer(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').send(text);
}

/** Without the `?`, and not decoded: a signature may stand on it. */
function rawQueryOf(url: string): string {
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/** The form of the keys that the store makes; anything else is not worth a question. */
function isKey(text: string): boolean {
  return /^[A-Za-z0-9_-]{16,64}$/.test(text);
}
