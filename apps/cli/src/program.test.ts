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
/** Answers of calls that are not answered like all others. */
let answers: Record<string, { status: number; body: unknown }> = {};

before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const call = `${request.method} ${request.url}`;
    seen.push({ call, body: body && JSON.parse(body) });
    const { status, body: text } = answers[call] ?? answer;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(text));
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
  answers = {};
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
        'bench',
        'api',
        'worker',
        'receipts',
        'emulate',
        'send',
        'status',
        'watch',
        'cancel',
        'pause',
        'resume',
        'channels',
        'dead-letters',
        'certs',
        'keys',
        'migrate',
        'doctor',
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
    ['channels', 'verify'],
    ['channels', 'call', 'c'],
    ['channels', 'call', 'c', 'tag-create', '--set', 'novalue'],
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

describe('cancel, pause and resume', () => {
  const message = { id, state: 'paused', counts: { queued: 2, accepted: 1 } };

  for (const verb of ['cancel', 'pause', 'resume']) {
    it(`${verb} says how the message stands then`, async () => {
      answer = { status: 200, body: message };
      const terminal = await run([verb, id]);
      assert.deepEqual(seen, [{ call: `POST /v1/messages/${id}/${verb}`, body: '' }]);
      assert.deepEqual(terminal.lines, [`Message ${id}: paused; 2 queued, 1 accepted`]);
      assert.deepEqual((await run([verb, id, '--json'])).documents, [message]);
    });
  }

  it('refuse what is not the id of a message', async () => {
    await assert.rejects(run(['pause', `${id}.0`]), /^CommandError: .* names one push/);
    await assert.rejects(run(['cancel', 'x']), /is not an id/);
    assert.deepEqual(seen, []);
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

  it('add knows the vendor by the file', async () => {
    answer = { status: 201, body: channel };
    await run(['channels', 'add', 'c', '--service-account', '-'], { input: '{"type":"service_account"}' });
    assert.deepEqual(seen[0]?.body, {
      name: 'c',
      vendor: 'fcm',
      settings: {},
      credential: { serviceAccount: '{"type":"service_account"}' },
    });
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

describe('what a vendor does besides sending', () => {
  const taken = {
    operation: 'verify',
    ok: true,
    kind: 'accepted',
    code: null,
    detail: null,
    result: { topics: ['a', 'b'], app: 'x' },
  };
  const refused = {
    operation: 'verify',
    ok: false,
    kind: 'misconfigured',
    code: 'InvalidProviderToken',
    detail: 'The provider token is not valid.',
    result: null,
  };
  const input = {
    type: 'object',
    required: ['tag'],
    properties: { tag: { type: 'string' }, limit: { type: 'integer' } },
  };
  const operations = [{ name: 'tag-size', summary: 'Count the devices of a tag', input }];
  const channelIsOf = (vendor: { title: string; operations: unknown[] }) => {
    answers['GET /v1/channels/c'] = { status: 200, body: { name: 'c', vendor: 'baidu' } };
    answers['GET /v1/vendors/baidu'] = { status: 200, body: { name: 'baidu', ...vendor } };
  };

  it('verify says that the credential is good, and what the vendor gave', async () => {
    answer = { status: 200, body: taken };
    const terminal = await run(['channels', 'verify', 'c']);
    assert.deepEqual(seen, [{ call: 'POST /v1/channels/c/verify', body: '' }]);
    assert.match(terminal.lines.join('\n'), /^The vendor takes the credential of the channel c\.$/m);
    assert.match(terminal.lines.join('\n'), /^topics +\["a","b"\]$/m);
    assert.deepEqual((await run(['channels', 'verify', 'c', '--json'])).documents, [taken]);
  });

  it('verify fails with the vendor’s words', async () => {
    answer = { status: 200, body: refused };
    const sentence =
      /^CommandError: The credential of the channel c is not proven: the vendor refuses .* \(InvalidProviderToken: The provider token is not valid\.\)\.$/;
    await assert.rejects(run(['channels', 'verify', 'c']), sentence);
    await assert.rejects(run(['channels', 'verify', 'c', '--json']), sentence);
  });

  for (const [kind, words] of [
    ['throttled', /asked too often, so try again later \(InvalidProviderToken/],
    ['unavailable', /no usable answer came from the vendor, so try again/],
    ['rejected', /the vendor refuses it \(/],
  ] as const) {
    it(`verify does not take ${kind} for a proof`, async () => {
      answer = { status: 200, body: { ...refused, kind } };
      await assert.rejects(run(['channels', 'verify', 'c']), words);
    });
  }

  it('verify passes on that no worker is there', async () => {
    const detail = 'No worker serves baidu channels: start one with "pushmill worker".';
    answer = { status: 504, body: { title: 'No worker', code: 'no-worker', detail } };
    await assert.rejects(run(['channels', 'verify', 'c']), /No worker serves baidu channels/);
  });

  it('operations are listed with their fields', async () => {
    channelIsOf({ title: 'Baidu', operations });
    const terminal = await run(['channels', 'operations', 'c']);
    assert.match(terminal.lines.join('\n'), /^tag-size +Count the devices of a tag +tag, limit\?$/m);
    assert.deepEqual((await run(['channels', 'operations', 'c', '--json'])).documents, [operations]);
    channelIsOf({ title: 'Tencent TPNS', operations: [] });
    assert.deepEqual((await run(['channels', 'operations', 'c'])).notes, ['Tencent TPNS has no operations.']);
  });

  it('call makes its input of files and options, each field of its type', async () => {
    channelIsOf({ title: 'Baidu', operations });
    answer = { status: 200, body: { ...taken, operation: 'tag-size', result: { size: 7 } } };
    const line = ['channels', 'call', 'c', 'tag-size', '--input', '-', '--set', 'tag=12', '--set', 'limit=3'];
    const terminal = await run(line, { input: '{"tag":"from the file","more":1}' });
    assert.deepEqual(seen.at(-1), {
      call: 'POST /v1/channels/c/operations/tag-size',
      body: { tag: '12', more: 1, limit: 3 },
    });
    assert.match(terminal.lines.join('\n'), /^size +7$/m);
  });

  it('call leaves an operation that there is not to the api', async () => {
    channelIsOf({ title: 'Baidu', operations });
    const detail = 'Baidu has no operation fly; it has: tag-size.';
    answer = { status: 404, body: { title: 'Not found', code: 'not-found', detail } };
    await assert.rejects(run(['channels', 'call', 'c', 'fly', '--set', 'a=1']), /it has: tag-size/);
    assert.deepEqual(seen.at(-1)?.body, { a: '1' });
  });

  it('call fails when the vendor did not do it', async () => {
    answer = { status: 200, body: { ...refused, kind: 'rejected', code: '30602', detail: 'no such tag' } };
    await assert.rejects(
      run(['channels', 'call', 'c', 'tag-size']),
      /^CommandError: tag-size was not done: the vendor refuses this \(30602: no such tag\)\.$/,
    );
  });
});

describe('doctor', () => {
  it('names what is wrong with the settings, and fails', async () => {
    const terminal = silentTerminal();
    const program = createProgram({ env: { PUSHMILL_PROT: '1' }, terminal });
    await assert.rejects(
      program.parseAsync(['node', 'pushmill', 'doctor']),
      /^CommandError: 1 check has failed\.$/,
    );
    const text = terminal.lines.join('\n');
    assert.match(text, /^settings +FAILED +PUSHMILL_PROT is not a setting; did you mean PUSHMILL_PORT\?/m);
    assert.match(text, /^What to do:\n {2}settings: Correct it/m);
  });

  it('answers programs in JSON, and never with a password', async () => {
    const settings = {
      PUSHMILL_DATA_DIR: '/nowhere',
      REDIS_URL: 'redis://:the-password@127.0.0.1:1',
      DATABASE_URL: 'postgres://user:the-password@127.0.0.1:1/pushmill',
      PUSHMILL_PORT: '1',
      PUSHMILL_RECEIPTS_PORT: '1',
      PUSHMILL_METRICS_PORT: '1',
    };
    const terminal = silentTerminal();
    const program = createProgram({ env: settings, terminal });
    await assert.rejects(
      program.parseAsync(['node', 'pushmill', 'doctor', '--json']),
      /3 checks have failed/,
    );
    const [report] = terminal.documents as [{ ok: boolean; findings: { check: string; state: string }[] }];
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.findings.map(({ check, state }) => `${check}: ${state}`),
      [
        'settings: failed',
        'Postgres: failed',
        'Redis: failed',
        'role api: skipped',
        'role receipts: skipped',
        'role worker: skipped',
        'public receipts URL: warning',
        'channels: skipped',
      ],
    );
    assert.doesNotMatch(JSON.stringify(report), /the-password/);
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
    await assert.rejects(
      run(['emulate', 'apns', '--fault', 'slow=0.1', '--fault', 'status=418']),
      /no answer with status 418/,
    );
    await assert.rejects(run(['worker', '--vendors', 'nokia']), /"nokia" is not a vendor/);
  });
});
