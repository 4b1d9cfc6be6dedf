import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { isLedgerAway, openDatabase } from './database.ts';

const withCode = (code: string) => Object.assign(new Error('x'), { code });

const cases: [string, unknown, boolean][] = [
  ['refused', withCode('ECONNREFUSED'), true],
  ['the name does not resolve just now', withCode('EAI_AGAIN'), true],
  ['no route', withCode('EHOSTUNREACH'), true],
  ['shut down by an operator', withCode('57P01'), true],
  ['starting up', withCode('57P03'), true],
  ['too many connections', withCode('53300'), true],
  ['a deadlock: the same call may succeed', withCode('40P01'), true],
  ['demoted to a standby', withCode('25006'), true],
  ['the connection ended', new Error('Connection terminated unexpectedly'), true],
  ['no free connection in time', new Error('timeout exceeded when trying to connect'), true],
  ['a duplicate key', withCode('23505'), false],
  ['bad SQL', withCode('42601'), false],
  ['a value out of range', withCode('22003'), false],
  ['a wrong password', withCode('28P01'), false],
  ['a bug', new TypeError('x is undefined'), false],
  ['no error', 'ECONNREFUSED', false],
];

describe('isLedgerAway', () => {
  for (const [name, error, expected] of cases) {
    it(`${name}: ${expected}`, () => assert.equal(isLedgerAway(error), expected));
  }

  it('knows what the driver throws when nothing listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    for (const host of ['127.0.0.1', 'localhost']) {
      const db = openDatabase(`postgres://u:p@${host}:${port}/x`, 1);
      await assert.rejects(db.query('SELECT 1'), (error) => isLedgerAway(error));
      await db.end();
    }
  });

  it('knows what the driver throws when the server hangs up', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const db = openDatabase(`postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/x`, 1);
    await assert.rejects(db.query('SELECT 1'), (error) => isLedgerAway(error));
    await db.end();
    server.close();
  });
});
