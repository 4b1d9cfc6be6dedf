import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, describe, it } from 'node:test';
import { askRedis } from './redis-dialog.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A server that waits for the whole question and answers in the pieces given. */
async function redisSaying(question: string, pieces: readonly string[]): Promise<string> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    let asked = '';
    socket.on('data', async (chunk) => {
      asked += chunk;
      if (asked !== question) return;
      for (const piece of pieces) await new Promise((resolve) => socket.write(piece, 'utf8', resolve));
    });
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('askRedis', () => {
  it('reads every kind of reply, however it is cut', async () => {
    const answer = '+PONG\r\n:12\r\n$6\r\na\r\nüb\r\n*2\r\n$-1\r\n*1\r\n:3\r\n-ERR no\r\n';
    const commands = [['PING'], ['DBSIZE'], ['GET', 'ü'], ['X'], ['Y']];
    const question =
      '*1\r\n$4\r\nPING\r\n*1\r\n$6\r\nDBSIZE\r\n*2\r\n$3\r\nGET\r\n$2\r\nü\r\n*1\r\n$1\r\nX\r\n*1\r\n$1\r\nY\r\n';
    const address = await redisSaying(question, [...answer]);
    const replies = await askRedis(`redis://${address}`, commands);
    assert.deepEqual(replies.slice(0, 4), ['PONG', 12, 'a\r\nüb', [null, [3]]]);
    assert.equal((replies[4] as Error).message, 'ERR no');
  });

  it('logs in first, and says when that is refused without the password', async () => {
    const question = '*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$3\r\np@s\r\n*1\r\n$4\r\nPING\r\n';
    const good = await redisSaying(question, ['+OK\r\n+PONG\r\n']);
    assert.deepEqual(await askRedis(`redis://:p%40s@${good}`, [['PING']]), ['PONG']);
    const bad = await redisSaying(question, ['-WRONGPASS invalid\r\n-NOAUTH\r\n']);
    await assert.rejects(askRedis(`redis://:p%40s@${bad}`, [['PING']]), (error: Error) => {
      assert.equal(error.message, 'the login is refused: WRONGPASS invalid');
      return true;
    });
  });

  it('does not wait for ever, and names a refused connection', async () => {
    const silent = await redisSaying('*1\r\n$4\r\nPING\r\n', []);
    await assert.rejects(askRedis(`redis://${silent}`, [['PING']], 30), /^Error: no answer within 30 ms$/);
    await assert.rejects(askRedis('redis://127.0.0.1:1', [['PING']]), /ECONNREFUSED/);
  });
});
