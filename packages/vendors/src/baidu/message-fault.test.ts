import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enoughDevices, MessageFaults } from './message-fault.ts';

function refuse(faults: MessageFaults, messageId: string, times: number): void {
  for (let n = 0; n < times; n += 1) faults.refusedAlone(messageId);
}

test('a message is at fault when enough devices refused it alone and none took it', () => {
  const faults = new MessageFaults();
  refuse(faults, 'a', enoughDevices - 1);
  assert.equal(faults.isAtFault('a'), false);
  refuse(faults, 'a', 1);
  assert.equal(faults.isAtFault('a'), true);
  assert.equal(faults.isAtFault('b'), false);
});

test('one device that took it clears a message for good', () => {
  const faults = new MessageFaults();
  refuse(faults, 'before', enoughDevices);
  for (const id of ['before', 'after']) faults.taken(id);
  for (const id of ['before', 'after']) {
    refuse(faults, id, 2 * enoughDevices);
    assert.equal(faults.isAtFault(id), false, id);
  }
});

test('old messages are forgotten', () => {
  const faults = new MessageFaults();
  refuse(faults, 'old', enoughDevices);
  for (let n = 0; n < 999; n += 1) faults.taken(`m${n}`);
  assert.equal(faults.isAtFault('old'), true);
  faults.taken('one more');
  assert.equal(faults.isAtFault('old'), false);
});
