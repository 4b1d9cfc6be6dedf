import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { channelPrefix, jobIdOf, jobKey } from './keys.ts';

const channel = '019ab1c2-0000-7000-8000-000000000001';
const batch = { id: '019ab1c2-0000-7000-8000-00000000000b', run: 3 };

/** What Redis Cluster hashes of a key. */
const hashTag = (key: string) => /\{([^}]+)\}/.exec(key)?.[1];

describe('queue keys', () => {
  it('share a slot for one channel, whatever the root', () => {
    assert.equal(hashTag(channelPrefix('pushmill', channel)), channel);
    assert.equal(hashTag(jobKey('pushmill', channel, 'bulk', jobIdOf(batch))), channel);
    assert.equal(channelPrefix('test-1', channel), `test-1:{${channel}}`);
  });

  it('name a job by batch and run', () => {
    assert.equal(jobIdOf(batch), `${batch.id}-3`);
    assert.notEqual(jobIdOf(batch), jobIdOf({ ...batch, run: 4 }));
  });

  it('give job ids that BullMQ takes: no colon, not a number', () => {
    assert.ok(!jobIdOf(batch).includes(':'));
    assert.ok(Number.isNaN(Number(jobIdOf(batch))));
  });
});
