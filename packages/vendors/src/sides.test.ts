import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';

/*
 * An emulator that checked with the sender's code would pass the sender's mistakes. So neither side imports more
 * of the other than types.
 */

const folder = new URL('./', import.meta.url);
const sources = globSync('**/*.ts', { cwd: folder }).filter(
  (path) => !/(\.test|fixtures|by-hand)\.ts$/.test(path),
);
/** Of neither side: certificates, chance, and the list of emulators. */
const neutral = new Set(['authority.ts', 'answer-plan.ts', 'emulators.ts']);
const isEmulators = (name: string) => name.startsWith('emulator') || neutral.has(name);

function imported(path: string): string[] {
  const text = readFileSync(new URL(path, folder), 'utf8');
  return [...text.matchAll(/^(?:import|export) (?!type )([^;]*?) from '(\.[^']*)';/gm)]
    .filter(([, names]) => !/^\{(?:\s*type \w+,?)*\s*\}$/.test(names as string))
    .map(([, , from]) => basename(from as string));
}

test('an emulator imports nothing that the sender runs', () => {
  const emulators = sources.filter((path) => basename(path).startsWith('emulator'));
  assert.ok(emulators.length > 30, String(emulators.length));
  for (const path of emulators)
    assert.deepEqual(
      imported(path).filter((name) => !isEmulators(name) && path !== 'emulators.ts'),
      [],
      path,
    );
});

test('a sender imports nothing of an emulator', () => {
  const senders = sources.filter((path) => !isEmulators(basename(path)));
  assert.ok(senders.length > 60, String(senders.length));
  for (const path of senders) {
    assert.deepEqual(
      imported(path).filter((name) => name.startsWith('emulator') || name === 'answer-plan.ts'),
      [],
      path,
    );
  }
});
