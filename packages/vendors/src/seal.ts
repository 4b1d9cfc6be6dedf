import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

/**
 * Closes texts that the cluster shares, so that only a holder of the same private key can read them: Redis holds no
 * secret in clear, and a token that authorises for an hour is one.
 */
export class Seal {
  readonly #key: Buffer;

  /** @param purpose  keeps seals of one private key for different things apart */
  constructor(privateKey: KeyObject, salt: string, purpose: string) {
    const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
    this.#key = Buffer.from(hkdfSync('sha256', secret, salt, purpose, 32));
  }

  close(text: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const closed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), closed]).toString('base64');
  }

  /** Undefined for what was damaged or closed by somebody else. */
  open(sealed: string): string | undefined {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12), {
        authTagLength: 16,
      });
      decipher.setAuthTag(bytes.subarray(12, 28));
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }
}
