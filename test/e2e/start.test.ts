import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeTemporaryDataDir } from '@pushmill/embedded';
import { openBrowser } from './browser.ts';
import { leftProcesses, type RunningPushmill, runPushmill } from './pushmill.ts';
import { until } from './until.ts';

const shell = promisify(exec);

/** What `npm start` does, on ports of its own, and what a newcomer does next. */
describe('pushmill up --demo', () => {
  let folder: Awaited<ReturnType<typeof makeTemporaryDataDir>>;
  let up: RunningPushmill;
  let printed = '';

  before(async () => {
    folder = await makeTemporaryDataDir();
    up = runPushmill(['up', '--demo', '--data', folder.path, '--port', '0']);
    const failed = up.ended.then(({ stderr }) => {
      throw new Error(`it ended before it was ready: ${stderr}`);
    });
    failed.catch(() => undefined);
    await Promise.race([failed, until('it says ready', () => /^ready$/m.test(up.output()), 120_000)]);
    printed = up.output();
  });

  after(async () => {
    up?.kill('SIGKILL');
    await folder?.remove();
  });

  const find = (pattern: RegExp) => {
    const found = pattern.exec(printed)?.[1];
    assert.ok(found, `${pattern} in what was printed:\n${printed}`);
    return found;
  };
  const tool = (...args: string[]) => runPushmill(args, { PUSHMILL_DATA_DIR: folder.path }).ended;

  test('shows a push through every channel with its timeline, mPaaS delivered and verified', () => {
    for (const channel of ['apns-token', 'apns-cert']) {
      assert.match(printed, new RegExp(`apns via ${channel}: accepted`));
    }
    assert.match(printed, /fcm via fcm: accepted/);
    for (const channel of ['mpaas', 'mpaas-openapi']) {
      assert.match(printed, new RegExp(`mpaas via ${channel}: delivered`));
    }
    assert.equal(printed.match(/delivered, receipt verified/g)?.length, 2);
  });

  test('the curl line works as it is printed', async () => {
    const { stdout } = await shell(find(/^(curl .+)$/m));
    const answer = JSON.parse(stdout) as { id: string; pushes: number; rejected: unknown[] };
    assert.equal(answer.pushes, 1);
    assert.deepEqual(answer.rejected, []);

    const seen = await until('status tells that it was accepted', async () => {
      const { stdout: text } = await tool('status', answer.id, '--json');
      return text.includes('"accepted"') && text;
    });
    assert.ok(seen.includes(answer.id));
  });

  test('the hand tools find the running installation', async () => {
    const channels = await tool('channels', 'list', '--json');
    assert.equal(channels.code, 0, channels.stderr);
    assert.match(channels.stdout, /apns-cert/);
    assert.doesNotMatch(channels.stdout, /PRIVATE KEY/);
    const keys = await tool('keys', 'list');
    assert.equal(keys.code, 0, keys.stderr);
  });

  test('the doctor finds it in order', async () => {
    const { code, stdout, stderr } = await tool('doctor', '--json');
    assert.equal(code, 0, stderr);
    const { findings } = JSON.parse(stdout) as { findings: { check: string; state: string }[] };
    assert.deepEqual(
      findings.filter(({ state }) => state !== 'ok'),
      [],
    );
    for (const check of ['role api', 'role receipts', 'role worker', 'channel apns-cert', 'channel mpaas']) {
      assert.ok(
        findings.some((finding) => finding.check === check),
        check,
      );
    }
  });

  for (const channel of ['apns-token', 'apns-cert', 'fcm', 'mpaas', 'baidu', 'tpns']) {
    test(`verify proves the credential of ${channel} to its vendor`, async () => {
      const { code, stdout, stderr } = await tool('channels', 'verify', channel);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.startsWith(`The vendor takes the credential of the channel ${channel}.`), stdout);
    });
  }

  test('a second one on the same folder says so in one sentence', async () => {
    const { code, stderr } = await tool('up', '--data', folder.path, '--port', '0');
    assert.equal(code, 1);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  });

  test('the dashboard shows the messages and follows them live', async (t) => {
    const browser = await openBrowser();
    if (!browser) {
      t.skip('no Chromium is installed, and it cannot be installed without root on Debian or Ubuntu');
      return;
    }
    try {
      const page = await browser.newPage({
        httpCredentials: { username: 'operator', password: find(/password +(\S+)/) },
      });
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(error.message));
      page.on('console', (entry) => {
        if (entry.type() === 'error') faults.push(entry.text());
      });
      await page.goto(find(/^Dashboard +(\S+)$/m));
      await page.getByText('apns-token').first().waitFor();
      await page.getByText('Parcel').first().waitFor();
      const sent = await tool(
        'send',
        '--channel',
        'apns-token',
        '--token',
        'ab'.repeat(32),
        '--title',
        'Seen live',
        '--json',
      );
      assert.equal(sent.code, 0, sent.stderr);
      await page.getByText('Seen live').first().waitFor();
      assert.deepEqual(faults, []);
    } finally {
      await browser.close();
    }
  });

  test('the dashboard asks for the password', async () => {
    const answer = await fetch(find(/^Dashboard +(\S+)$/m));
    assert.equal(answer.status, 401);
  });

  test('Ctrl-C ends everything', async () => {
    up.kill('SIGINT');
    const { code, stderr } = await up.ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(await leftProcesses(), []);
    await assert.rejects(stat(join(folder.path, 'local.json')), { code: 'ENOENT' });
  });
});
