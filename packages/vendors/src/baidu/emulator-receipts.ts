import { createHash } from 'node:crypto';
import type { AnswerPlan } from '../answer-plan.ts';
import type { Authority } from '../emulator.ts';
import { type ReceiptOptions, ReceiptSender } from '../emulator-receipts.ts';
import type { EmulatedApp } from './emulator-apps.ts';

/** What happened on one device, as SPP reports it. */
export interface EmulatedReceipt {
  /** Push id or cuid: only its hash goes out, as a device id of Baidu's own. */
  device: string;
  messageId: string;
  /** 0 sent, 1 arrived, 2 shown, 3 clicked, 4 expected. */
  type: number;
  extInfo: string;
}

export type SppReceipts = ReceiptSender<EmulatedApp, EmulatedReceipt>;

/**
 * SPP's callbacks: unsigned, several receipts in one. Whether Baidu repeats a call that was not answered 2xx is not
 * described. A forger knows neither the address nor the app: another path, another appkey, a push that was clicked.
 */
export function sppReceipts(
  about: ReceiptOptions & { authority: Authority; plan: AnswerPlan; random: () => number; now: () => number },
): SppReceipts {
  return new ReceiptSender({
    ...about,
    ca: about.authority.certificate,
    perCall: 20,
    write(app, receipts, forged) {
      const url = new URL(app.callbackUrl as URL);
      const ts = Math.floor(about.now() / 1000);
      if (!forged) return { url, body: written(app.name, receipts, ts) };
      url.pathname = url.pathname.replace(/[^/]*$/, 'guessed-by-somebody-else');
      const clicked = receipts.map((receipt) => ({ ...receipt, type: 3 }));
      return { url, body: written('10001', clicked, ts) };
    },
  });
}

function written(appkey: string, receipts: readonly EmulatedReceipt[], ts: number): Buffer {
  const result = receipts.map(({ device, messageId, type, extInfo }) => {
    const uuid = createHash('md5').update(device).digest('hex');
    return {
      appkey,
      msgId: messageId,
      type,
      uuid,
      cuid: uuid,
      extInfo,
      ts,
      brand: 'HUAWEI',
      version: '1.0',
    };
  });
  return Buffer.from(JSON.stringify({ appkey, result }));
}
