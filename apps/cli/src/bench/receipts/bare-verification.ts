/** The floor: the signatures of callbacks verified one after another, and nothing else. Argument: the key, base64 of SPKI. */
import { createPublicKey, verify } from 'node:crypto';
import { takeOrders, tally } from './crew.ts';

const key = createPublicKey({
  key: Buffer.from(process.argv[2] ?? '', 'base64'),
  format: 'der',
  type: 'spki',
});

takeOrders(
  (callbacks) =>
    callbacks.map(({ query, body }) => ({
      body,
      signature: Buffer.from(new URLSearchParams(query).get('sign') ?? '', 'base64url'),
    })),
  async (signed) => {
    const results: Record<string, number> = {};
    for (const { body, signature } of signed) {
      tally(results, String(verify('sha256', body, key, signature)));
    }
    return results;
  },
);
