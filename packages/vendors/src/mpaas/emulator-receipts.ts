import type { KeyObject } from 'node:crypto';
import { sign } from 'node:crypto';
import { type CallbackRules, ReceiptSender } from '../emulator-receipts.ts';
import type { App } from './emulator-apps.ts';

/** What one callback will say. The text is made and signed only when its turn comes. */
export interface EmulatedReceipt {
  target: string;
  msgKey: string;
  osType: 'ios' | 'android';
  statusCode: string;
  statusDesc: string;
  success: boolean;
}

/** How the vendor writes. */
export interface ReceiptManner {
  /** As in the vendor's sample; default is one line. */
  pretty?: boolean;
  unpadded?: boolean;
}

export type MpaasReceipts = ReceiptSender<App, EmulatedReceipt>;

/** One signed receipt a call. A forger has the words and not the key. @param manner  as it is at each call */
export function mpaasReceipts(
  about: Omit<CallbackRules<App, EmulatedReceipt>, 'perCall' | 'write'>,
  manner: () => ReceiptManner,
): MpaasReceipts {
  return new ReceiptSender({
    ...about,
    perCall: 1,
    async write(app, [receipt], forged) {
      const { pretty, unpadded } = manner();
      const body = Buffer.from(textOf(receipt as EmulatedReceipt, pretty === true), 'utf8');
      const bytes = await signed(body, app.callbackKey);
      if (forged) bytes[100] = (bytes[100] as number) ^ 1;
      const padded = bytes.toString('base64').replace(/\+/g, '-').replace(/\//g, '_');
      const signature = unpadded ? padded.replace(/=+$/, '') : padded;
      const url = new URL(app.callbackUrl as URL);
      url.search += `${url.search === '' ? '?' : '&'}sign=${encodeURIComponent(signature)}`;
      return { url, body };
    },
  });
}

function textOf(receipt: EmulatedReceipt, isPretty: boolean): string {
  return JSON.stringify(
    {
      extInfo: { adToken: receipt.target, osType: receipt.osType },
      msgId: receipt.msgKey,
      pushSuccess: receipt.success,
      statusCode: receipt.statusCode,
      statusDesc: receipt.statusDesc,
      targetId: receipt.target,
    },
    undefined,
    isPretty ? 4 : undefined,
  );
}

/** On the thread pool, so that signing does not hold up answers to calls. */
function signed(body: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('RSA-SHA256', body, key, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}
