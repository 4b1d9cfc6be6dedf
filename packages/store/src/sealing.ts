import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Secret } from '@pushmill/core';

const VERSION = 1;
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/**
 * Seals channel credentials with AES-256-GCM. The first key seals; all of them open, so a key is rotated by
 * putting a new one in front. What was sealed is bound to its owner (`context`) and cannot be moved to another.
 *
 * Layout: version (1) | key id (4) | nonce (12) | tag (16) | ciphertext.
 */
export class Sealing {
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #active: { id: string; key: Buffer };

  /**
   * @param masterKeys  base64 of 32 bytes each, separated by commas
   * @throws Error  when a key is not 32 bytes
   */
  constructor(masterKeys: Secret) {
    const keys = masterKeys
      .reveal()
      .split(',')
      .map((text) => Buffer.from(text.trim(), 'base64'));
    if (keys.some((key) => key.length !== 32)) {
      throw new Error(
        'PUSHMILL_MASTER_KEY must be the base64 of 32 bytes; make one with: openssl rand -base64 32',
      );
    }
    this.#keys = new Map(keys.map((key) => [keyId(key), key]));
    const first = keys[0] as Buffer;
    this.#active = { id: keyId(first), key: first };
  }

  seal(plain: unknown, context: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#active.key, nonce);
    cipher.setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(JSON.stringify(plain), 'utf8'), cipher.final()]);
    const header = Buffer.concat([Buffer.of(VERSION), Buffer.from(this.#active.id, 'hex'), nonce]);
    return Buffer.concat([header, cipher.getAuthTag(), sealed]);
  }

  /** @throws Error  when the key is not among ours, or the bytes or their context were changed */
  open(sealed: Buffer, context: string): unknown {
    if (sealed.length < HEADER_BYTES || sealed[0] !== VERSION)
      throw new Error('a sealed credential is damaged');
    const id = sealed.subarray(1, 1 + KEY_ID_BYTES).toString('hex');
    const key = this.#keys.get(id);
    if (!key) {
      throw new Error(`a credential was sealed with master key ${id}, which is not in PUSHMILL_MASTER_KEY`);
    }
    const nonceEnd = 1 + KEY_ID_BYTES + NONCE_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1 + KEY_ID_BYTES, nonceEnd));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(sealed.subarray(nonceEnd, HEADER_BYTES));
    const plain = Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()]);
    return JSON.parse(plain.toString('utf8'));
  }
}

function keyId(key: Buffer): string {
  return createHash('sha256')
    .update(key)
    .digest('hex')
    .slice(0, KEY_ID_BYTES * 2);
}
