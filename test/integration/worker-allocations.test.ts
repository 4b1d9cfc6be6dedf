import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** A tenth more than was ever seen: 17,800 to 19,000 in a dozen runs on a machine that was now idle and now overloaded. */
const MOST_BYTES = 21_000;

test('a bulk push makes a worker allocate no more than it did', async () => {
  const script = fileURLToPath(new URL('./worker-allocations.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  const { bytes } = JSON.parse(stdout) as { bytes: number };
  console.log(`# ${Math.round(bytes)} bytes a push`);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes a push`);
});
