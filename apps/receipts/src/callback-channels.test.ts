import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpenedChannel } from '@pushmill/store';
import { CallbackChannels } from './callback-channels.ts';

describe('CallbackChannels', () => {
  it('asks once in a while, sooner for what was not there, and again after an error', async () => {
    let now = 0;
    let asked = 0;
    let answer: () => Promise<OpenedChannel | undefined> = async () => undefined;
    const channels = new CallbackChannels(
      {
        channels: {
          openByCallbackKey: () => {
            asked += 1;
            return answer();
          },
        },
      },
      () => now,
    );
    const find = () => channels.find('mpaas', 'key');
    await Promise.all([find(), find()]);
    assert.equal(asked, 1);
    now = 1_000;
    answer = async () => ({ id: 'c' }) as OpenedChannel;
    assert.equal((await find())?.id, 'c');
    now = 5_900;
    await find();
    assert.equal(asked, 2);
    now = 6_000;
    answer = () => Promise.reject(new Error('away'));
    await assert.rejects(find());
    await assert.rejects(find());
    assert.equal(asked, 4);
  });
});
