import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createProgram } from './program.ts';
import { silentTerminal } from './silent-terminal.ts';

let server: Server;
let env: NodeJS.ProcessEnv;
let seen: { call: string; body: unknown }[] = [];
let answer: { status: number; body: unknown } = { status: 200, body: {} };

before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ call: `${request.method} ${request.url}`, body: body && JSON.parse(body) });
    response
      .writeHead(answer.status, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer.body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  env = {
    PUSHMILL_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    PUSHMILL_API_KEY: 'pmk_test',
    PUSHMILL_DATA_DIR: '/nowhere',
  };
});

after(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  seen = [];
});

async function run(line: string[], given: Parameters<typeof silentTerminal>[0] = {}, settings = env) {
  const terminal = silentTerminal(given);
  const program = createProgram({ env: settings, terminal });
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command
      .exitOverride()
      .configureOutput({ writeErr: (text) => void terminal.notes.push(text), writeOut: () => undefined });
  }
  await program.parseAsync(['node', 'pushmill', ...line]);
  return terminal;
}

const id = '0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee';
const accepted = { id, state: 'queued', pushes: 2, rejected: [], createdAt: '2026-11-01T00:00:00Z' };

describe('pushmill', () => {
  const every = createProgram({ env: {}, terminal: silentTerminal() }).commands;
  it('has the commands of the contract that work', () => {
    assert.deepEqual(
      every.map((command) => command.name()),
      [
        'up',
        'demo',
        'api',
        'worker',
        'receipts',
        'emulate',
        'send',
        'status',
        'watch',
        'channels',
        'certs',
        'keys',
        'migrate',
      ],
    );
  });

  for (const command of every) {
    it(`explains ${command.name()}`, () => {
      assert.ok(command.description().length > 10);
      for (const option of command.options) assert.ok(option.flags.startsWith('--'), option.flags);
      assert.match(command.helpInformation(), /Usage: pushmill/);
    });
  }

  for (const line of [
    ['frobnicate'],
    ['up', '--port', '70000'],
    ['up', '--port', '80x'],
    ['worker', '--concurrency', '0'],
    ['worker', '--vendors', 'apns,,'],
    ['demo', '--pushes', '-1'],
    ['emulate'],
    ['send', '--class', 'spam'],
    ['send', '--data', 'novalue'],
    ['status'],
    ['watch', id, '--timeout', 'soon'],
    ['channels', 'add'],
    ['keys', 'create', 'x', '--role', 'king'],
  ]) {
    it(`refuses: ${line.join(' ')}`, async () => {
      await assert.rejects(run(line), (error: { code?: string }) =>
        String(error.code).startsWith('commander.'),
      );
    });
  }
});

describe('send', () => {
  it('makes a message of its options', async () => {
    answer = { status: 202, body: accepted };
    const terminal = await run([
      'send',
      '--channel',
      'ios',
      '--token',
      'a',
      'b',
      '--title',
      'T',
      '--data',
      'k=v=w',
      '--data',
      'l=',
      '--ttl',
      '60',
    ]);
    assert.deepEqual(seen, [
      {
        call: 'POST /v1/messages',
        body: {
          class: 'transactional',
          notification: { title: 'T', body: null },
          data: { k: 'v=w', l: '' },
          ttlSeconds: 60,
          to: [{ channel: 'ios', tokens: ['a', 'b'] }],
        },
      },
    ]);
    assert.deepEqual(terminal.lines, [`Message ${id}: 2 pushes queued.`]);
  });

  it('takes a whole message from standard input, and answers programs in JSON', async () => {
    answer = { status: 202, body: accepted };
    const terminal = await run(['send', '--file', '-', '--json'], { input: '{"class":"marketing","to":[]}' });
    assert.deepEqual(seen[0]?.body, { class: 'marketing', to: [] });
    assert.deepEqual(terminal.documents, [accepted]);
  });

  it('fails with the sentence of the api, and the fields', async () => {
    const errors = [
      { pointer: '/to/0/channel', code: 'unknown', detail: 'There is no channel of this name.' },
    ];
    answer = {
      status: 422,
      body: { title: 'Refused', code: 'invalid', detail: 'Nothing can be sent.', errors },
    };
    await assert.rejects(
      run(['send', '--channel', 'x', '--token', 't', '--title', 'T']),
      /Nothing can be sent\.\n {2}\/to\/0\/channel: There is no channel/,
    );
  });

  for (const line of [
    ['--title', 'T'],
    ['--channel', 'ios'],
    ['--channel', 'ios', '--token', 'a'],
  ]) {
    it(`says what is missing: ${line.join(' ')}`, async () => {
      await assert.rejects(run(['send', ...line]), /^CommandError: Say /);
      assert.deepEqual(seen, []);
    });
  }
});

describe('status and watch', () => {
  it('refuse what is not an id', async () => {
    await assert.rejects(run(['status', 'x']), /^CommandError: "x" is not an id/);
    await assert.rejects(run(['watch', `${id}.01`]), /is not an id/);
  });

  it('show a timeline with the proof of each receipt', async () => {
    answer = {
      status: 200,
      body: {
        id: `${id}.0`,
        vendor: 'mpaas',
        channel: 'm',
        state: 'delivered',
        code: null,
        createdAt: '2026-11-01T00:00:00.000Z',
        timeline: [
          { at: '2026-11-01T00:00:00.000Z', type: 'queued' },
          {
            at: '2026-11-01T00:00:00.020Z',
            type: 'attempt',
            kind: 'throttled',
            code: '3012',
            detail: 'too fast',
            action: 'snooze',
            delayMs: 900,
          },
          {
            at: '2026-11-01T00:00:01.000Z',
            type: 'attempt',
            kind: 'accepted',
            action: 'finish',
            durationMs: 12,
          },
          {
            at: '2026-11-01T00:00:02.000Z',
            type: 'receipt',
            state: 'delivered',
            verified: true,
            proof: 'signature',
            code: '2',
          },
        ],
      },
    };
    const [text = ''] = (await run(['status', `${id}.0`])).lines;
    assert.match(text, /mpaas via m: delivered/);
    assert.match(text, /\+20 ms +attempt +throttled +3012; too fast; → snooze in 900 ms/);
    assert.match(text, /\+2000 ms +receipt +delivered, receipt verified +2/);
  });

  it('watch ends when nothing is queued', async () => {
    answer = { status: 200, body: { id, counts: { accepted: 3 } } };
    const terminal = await run(['watch', id]);
    assert.match(terminal.lines.join(), /3 accepted$/);
  });
});

describe('channels', () => {
  const channel = {
    name: 'c',
    vendor: 'mpaas',
    state: 'paused',
    pausedReason: { code: '3007', detail: 'no such app' },
    settings: { emulator: true },
    credential: { kind: 'rsa' },
    callbackUrl: 'http://127.0.0.1/callbacks/mpaas/k',
  };

  it('list shows why one is paused', async () => {
    answer = { status: 200, body: { items: [channel], nextCursor: null } };
    const terminal = await run(['channels', 'list']);
    assert.match(terminal.lines.join('\n'), /c +mpaas +paused +emulator +rsa +-/);
    assert.match(terminal.notes.join('\n'), /c is paused: 3007: no such app/);
  });

  it('add takes a whole channel as JSON', async () => {
    answer = { status: 201, body: channel };
    const input = '{"vendor":"mpaas","settings":{"appId":"x"},"credential":{"privateKey":"k"}}';
    await run(['channels', 'add', 'c', '--json', '-'], { input });
    assert.deepEqual(seen, [
      {
        call: 'POST /v1/channels',
        body: { name: 'c', vendor: 'mpaas', settings: { appId: 'x' }, credential: { privateKey: 'k' } },
      },
    ]);
  });

  it('add says what is missing', async () => {
    await assert.rejects(run(['channels', 'add', 'c']), /--vendor/);
    await assert.rejects(run(['channels', 'add', 'c', '--vendor', 'apns']), /Hand in the credential/);
    await assert.rejects(run(['channels', 'rotate', 'c']), /Hand in the new credential/);
  });

  it('pause, resume and delete', async () => {
    answer = { status: 200, body: channel };
    await run(['channels', 'pause', 'c']);
    await run(['channels', 'resume', 'c']);
    await run(['channels', 'delete', 'c']);
    assert.deepEqual(
      seen.map((one) => one.call),
      ['POST /v1/channels/c/pause', 'POST /v1/channels/c/resume', 'DELETE /v1/channels/c'],
    );
  });
});

describe('without anything to talk to', () => {
  const nothing = { PUSHMILL_DATA_DIR: '/nowhere' };
  for (const line of [['channels', 'list'], ['keys', 'list'], ['migrate'], ['status', id]]) {
    it(`${line.join(' ')} names the remedy`, async () => {
      await assert.rejects(
        run(line, {}, nothing),
        /^CommandError: No pushmill is running on \/nowhere: start one with "npx pushmill up"/,
      );
    });
  }

  it('wrong settings are all named', async () => {
    await assert.rejects(
      run(['channels', 'list'], {}, { PUSHMILL_PROT: '1' }),
      /PUSHMILL_PROT is not a setting; did you mean PUSHMILL_PORT\?/,
    );
  });

  it('an unknown vendor is named before anything starts', async () => {
    await assert.rejects(run(['emulate', 'nokia']), /no emulator of "nokia"/);
    await assert.rejects(run(['worker', '--vendors', 'nokia']), /"nokia" is not a vendor/);
  });
});
