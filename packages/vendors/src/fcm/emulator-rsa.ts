import { checkPrime, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

const isPrime = promisify(checkPrime);
const exponent = 65_537n;
const primeBytes = 128;

/** Odd primes that most candidates fall to, before the far dearer test. */
const smallPrimes = Array.from({ length: 1_000 }, (_, index) => 2 * index + 3).filter((candidate) => {
  for (let divisor = 3; divisor * divisor <= candidate; divisor += 2) {
    if (candidate % divisor === 0) return false;
  }
  return true;
});

/**
 * An RSA key of 2048 bits, the same for the same secret and purpose. Node makes random ones only, and with such a
 * key the channels that a run has stored would be shut out by the next.
 * @param purpose  tells the keys of one secret apart
 */
export async function deriveRsaKey(secret: string, purpose: string): Promise<KeyObject> {
  const [p, q] = await Promise.all([
    derivePrime(secret, `${purpose} p`),
    derivePrime(secret, `${purpose} q`),
  ]);
  const d = inverse(exponent, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e: exponent, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const key = { kty: 'RSA', ...Object.fromEntries(Object.entries(numbers).map(([k, v]) => [k, encode(v)])) };
  return createPrivateKey({ format: 'jwk', key });
}

/** The first fit one from a start that follows from the secret. */
async function derivePrime(secret: string, purpose: string): Promise<bigint> {
  const bytes = Buffer.from(hkdfSync('sha256', secret, 'pushmill fcm emulator', purpose, primeBytes));
  // The two highest bits make the product of two such primes 2048 bits long.
  bytes[0] = (bytes[0] as number) | 0xc0;
  bytes[primeBytes - 1] = (bytes[primeBytes - 1] as number) | 1;
  const start = BigInt(`0x${bytes.toString('hex')}`);
  const remainders = smallPrimes.map((prime) => Number(start % BigInt(prime)));
  for (let step = 0; ; step += 2) {
    if (smallPrimes.some((prime, index) => ((remainders[index] as number) + step) % prime === 0)) continue;
    const candidate = start + BigInt(step);
    if ((candidate - 1n) % exponent !== 0n && (await isPrime(candidate))) return candidate;
  }
}

/** Of `value` modulo `modulus`, by Euclid. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, next, factor, nextFactor] = [modulus, value % modulus, 0n, 1n];
  while (next !== 0n) {
    const times = rest / next;
    [rest, next] = [next, rest - times * next];
    [factor, nextFactor] = [nextFactor, factor - times * nextFactor];
  }
  return factor < 0n ? factor + modulus : factor;
}

function encode(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
}
