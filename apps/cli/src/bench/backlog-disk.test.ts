import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { neededBytes, requireFreeBytes } from './backlog-disk.ts';

describe('the disk that a bench of backlogs needs', () => {
  it('is that of all clusters, since they are up at once', () => {
    const [small, large] = [neededBytes([10_000]), neededBytes([10_000_000])];
    assert.equal(neededBytes([10_000, 10_000_000]), small + large);
    assert.ok(large > 4e9 && large < 10e9);
  });

  it('is asked of the disk before the bench begins', async () => {
    await requireFreeBytes('.', 1);
    await assert.rejects(
      requireFreeBytes('.', 1e18),
      /may take 931322574\.6 GiB of disk while it runs, and \. has [\d.]+ \w+ free\. Name smaller sizes/,
    );
  });
});
