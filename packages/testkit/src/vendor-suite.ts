import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { cut, type Outcome, type OutcomeKind } from '@pushmill/core';
import {
  type CallbackRequest,
  type CallbackVerdict,
  type Emulator,
  type EmulatorChannel,
  type Sender,
  type Vendor,
  type VendorName,
  type VendorReceipt,
  vendors,
} from '@pushmill/vendors';
import { createAuthority, emulators } from '@pushmill/vendors/emulators';
import { Value } from 'typebox/value';
import { secretPieces, spoilt, until, VendorBench } from './vendor-bench.ts';

const kinds: readonly OutcomeKind[] = [
  'accepted',
  'token-dead',
  'rejected',
  'misconfigured',
  'throttled',
  'unavailable',
];

/**
 * What every vendor must show against its emulator, on each channel that the emulator offers. Nothing in here
 * knows a vendor; a new one is tested by being in `vendors`.
 */
export function vendorSuite(name: VendorName): void {
  test(`vendor ${name}`, { timeout: 180_000 }, async (t) => {
    const authority = await createAuthority(new Date());
    const emulator = await emulators[name]({ port: 0, authority, seed: 7 });
    t.after(() => emulator.close());
    for (const offered of emulator.channels) {
      await t.test(`channel ${offered.name}`, (t) => channelSuite(t, vendors[name], emulator, offered));
    }
  });
}

async function channelSuite(
  t: TestContext,
  vendor: Vendor,
  emulator: Emulator,
  offered: EmulatorChannel,
): Promise<void> {
  const bench = await VendorBench.open(vendor, emulator, offered);
  t.after(() => bench.close());
  const { settings } = bench.channel;
  const sender = bench.openSender();
  const check = (name: string, run: () => Promise<void>) => t.test(name, { timeout: 30_000 }, run);

  await check('shows of its credential nothing that is secret', async () => {
    const { shown } = await vendor.prepareCredential(offered.credential, settings, new Date());
    const text = JSON.stringify(shown);
    for (const piece of secretPieces(offered.credential))
      assert.ok(!text.includes(piece), 'a secret is shown');
  });

  await check('knows a token by its form', async () => {
    assert.equal(vendor.checkToken(emulator.newToken(offered.name), settings), undefined);
    for (const token of ['', 'two words', 'line\nbreak', 'x'.repeat(5_000)]) {
      assert.equal(typeof vendor.checkToken(token, settings), 'string', JSON.stringify(token.slice(0, 20)));
    }
  });

  await check('finds nothing wrong with a plain message', async () => {
    const { shown } = await vendor.prepareCredential(offered.credential, settings, new Date());
    assert.deepEqual(vendor.checkMessage(bench.push().message, settings, shown), []);
  });

  for (const kind of kinds) {
    await check(`tells ${kind}, and recovers`, async () => {
      const push = bench.push();
      emulator.plan(push.token, kind);
      const outcome = await bench.sendOne(sender, push);
      assert.equal(outcome.kind, kind, describe(outcome));
      if (outcome.kind === 'accepted') return;
      assert.notEqual(outcome.code, '');
      const again = await bench.sendOne(sender, push);
      assert.equal(again.kind, 'accepted', describe(again));
    });
  }

  await check('says of an unanswered push that it may have arrived', async () => {
    const impatient = bench.openSender({ requestTimeoutMs: 250 });
    const push = bench.push();
    emulator.plan(push.token, 'timeout');
    assertUnanswered(await bench.sendOne(impatient, push), true);
    const again = await bench.sendOne(sender, push);
    assert.equal(again.kind, 'accepted', describe(again));
    await impatient.close(1_000);
  });

  await check('sends a push whose connection broke under the same identity', async () => {
    const push = bench.push();
    emulator.plan(push.token, 'reset');
    const before = bench.account();
    assertUnanswered(await bench.sendOne(sender, push), true);
    const again = await bench.sendOne(sender, push);
    assert.equal(again.kind, 'accepted', describe(again));
    const after = bench.account();
    assert.equal(after.accepted - before.accepted, 1, 'one identity');
    assert.equal(after.duplicates - before.duplicates, 1, 'taken twice');
  });

  await check('loses and doubles nothing when the vendor ends the connection', async () => {
    const pushes = bench.pushes(40);
    for (const index of [0, 13, 14, 39]) emulator.plan(pushes[index]?.token as string, 'goaway');
    const before = bench.account();
    const outcomes = await Promise.all(pushes.map((push) => bench.sendOne(sender, push)));
    for (const outcome of outcomes) assert.equal(outcome.kind, 'accepted', describe(outcome));
    const after = bench.account();
    assert.equal(after.accepted - before.accepted, 40);
    assert.equal(after.duplicates - before.duplicates, 0);
  });

  await check('sends 200 at once, none twice', async () => {
    const before = bench.account();
    const calls = [
      ...bench.pushes(100).map((push) => [push]),
      ...cut(bench.pushes(100), vendor.maxTokensPerCall),
    ];
    const outcomes = (await Promise.all(calls.map((call) => bench.send(sender, call)))).flat();
    assert.equal(outcomes.length, 200);
    for (const outcome of outcomes) assert.equal(outcome.kind, 'accepted', describe(outcome));
    const after = bench.account();
    assert.equal(after.accepted - before.accepted, 200);
    assert.equal(after.duplicates - before.duplicates, 0);
  });

  await check('answers for each push of a call in order', async () => {
    const pushes = bench.pushes(Math.min(3, vendor.maxTokensPerCall));
    const bad = pushes.length - 1;
    emulator.plan(pushes[bad]?.token as string, 'token-dead');
    const outcomes = await bench.send(sender, pushes);
    const expected = pushes.map((_, index) => (index === bad ? 'token-dead' : 'accepted'));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      expected,
    );
  });

  await check('finishes what is in flight when it is closed in time', async () => {
    const closing = await openWarmSender(bench);
    emulator.setFaults({ slow: 1 });
    const before = bench.account().requests;
    const sent = bench.pushes(5).map((push) => bench.sendOne(closing, push));
    await until(() => bench.account().requests - before >= 5, 'the emulator has all requests');
    emulator.setFaults({});
    await closing.close(20_000);
    for (const outcome of await Promise.all(sent)) assert.equal(outcome.kind, 'accepted', describe(outcome));
  });

  await check('answers for everything when it is closed too early, and after', async () => {
    const closing = await openWarmSender(bench);
    const pushes = bench.pushes(12);
    for (const push of pushes) emulator.plan(push.token, 'timeout');
    const before = bench.account().requests;
    const sent = pushes.map((push) => bench.sendOne(closing, push));
    await until(() => bench.account().requests - before >= pushes.length, 'the emulator has all requests');
    await closing.close(50);
    for (const outcome of await Promise.all(sent)) assertUnanswered(outcome, true);
    assertUnanswered(await bench.sendOne(closing, bench.push()), false);
  });

  await check('stops when it is told to', async () => {
    const push = bench.push();
    emulator.plan(push.token, 'timeout');
    const before = bench.account().requests;
    const controller = new AbortController();
    const sent = bench.sendOne(sender, push, controller.signal);
    await until(() => bench.account().requests > before, 'the emulator has the request');
    controller.abort();
    assertUnanswered(await sent, true);
    const requests = bench.account().requests;
    assertUnanswered(await bench.sendOne(sender, bench.push(), controller.signal), false);
    assert.equal(bench.account().requests, requests, 'nothing was sent after the abort');
  });

  await check('is refused with a spoilt credential', async () => {
    const found: string[] = [];
    for (const { field, credential } of spoilt(offered.credential)) {
      const result = await bench.tryCredential(credential);
      assert.ok(['unusable', 'misconfigured', 'accepted'].includes(result), `${field}: ${result}`);
      if (result !== 'accepted') found.push(field);
    }
    // Not every field matters for sending (a callback key does not), but some must.
    assert.notDeepEqual(found, []);
  });

  if (vendor.operations?.verify !== undefined) {
    await check('proves a credential without a push', async () => {
      const before = bench.account();
      assert.equal(await bench.verifyCredential(offered.credential), 'accepted');
      const found: string[] = [];
      for (const { field, credential } of spoilt(offered.credential)) {
        const result = await bench.verifyCredential(credential);
        assert.ok(['unusable', 'misconfigured', 'accepted'].includes(result), `${field}: ${result}`);
        if (result !== 'accepted') found.push(field);
      }
      assert.notDeepEqual(found, []);
      const after = bench.account();
      assert.equal(
        after.accepted + after.duplicates,
        before.accepted + before.duplicates,
        'nothing was sent',
      );
    });
  }

  for (const audience of offered.audiences ?? []) {
    await check(`sends to the audience ${audience.kind}`, async () => {
      const push = bench.audiencePush(audience);
      const { audiences } = vendor;
      assert.ok(audiences);
      assert.ok(Value.Check(audiences.schema, audience), JSON.stringify(audience));
      const message = offered.audienceMessage ?? push.message;
      assert.deepEqual(audiences.check(audience, { ...push.message, ...message }, settings), []);
      const outcome = await bench.sendOne(sender, { ...push, message: { ...push.message, ...message } });
      assert.equal(outcome.kind, 'accepted', describe(outcome));
      assert.ok(emulator.hasTaken(push));
    });
  }

  if (offered.receipts) {
    await check('believes the receipts of the vendor and no others', () => receiptsCheck(t, bench, offered));
  }

  await check('agrees with the vendor on what was taken', async () => {
    const { accepted } = bench.account();
    const unsure = [...bench.unanswered].filter((id) => !bench.accepted.has(id)).length;
    assert.ok(accepted >= bench.accepted.size, `${accepted} taken, ${bench.accepted.size} known`);
    assert.ok(accepted <= bench.accepted.size + unsure, `${accepted} taken, ${unsure} more could be`);
  });

  await check('told no secret and no token', async () => {
    const text = JSON.stringify([bench.outcomes, bench.warnings]);
    const hidden = [
      ...secretPieces(offered.credential),
      ...secretPieces(bench.channel.credential),
      ...bench.tokens,
    ];
    for (const piece of hidden) assert.ok(!text.includes(piece), 'a secret or a token was told');
  });
}

/** Takes the emulator's callbacks on a real port and reads them as the receipts app would. */
async function receiptsCheck(t: TestContext, bench: VendorBench, offered: EmulatorChannel): Promise<void> {
  const { vendor, emulator, channel } = bench;
  const read = (request: CallbackRequest): CallbackVerdict =>
    (vendor.readCallback as NonNullable<Vendor['readCallback']>)(request, channel);
  const calls: CallbackRequest[] = [];
  let refused = 0;
  const receipts: VendorReceipt[] = [];
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const call = {
        rawQuery: request.url?.split('?')[1] ?? '',
        headers: request.headers,
        rawBody: Buffer.concat(chunks),
      };
      const verdict = read(call);
      // The path is the receipts app's to check; a stranger who guesses one does not get this far.
      const isOurs = request.url?.startsWith('/v1/callbacks/suite') === true;
      if (!isOurs || verdict.kind === 'refused') {
        refused += 1;
        response.writeHead(401).end();
        return;
      }
      if (verdict.kind === 'receipts') {
        calls.push(call);
        receipts.push(...verdict.receipts);
      }
      response.writeHead(200);
      response.end(verdict.kind === 'receipts' ? verdict.answer : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  emulator.setCallback(offered.name, `http://127.0.0.1:${port}/v1/callbacks/suite`);

  emulator.setFaults({ 'duplicate-receipt': 1 });
  const sender = bench.openSender();
  const [shown, lost] = [bench.push(), bench.push()];
  emulator.plan(lost.token, 'dropped');
  for (const push of [shown, lost]) assert.equal((await bench.sendOne(sender, push)).kind, 'accepted');
  emulator.setFaults({});
  const of = (id: string) => receipts.filter((receipt) => receipt.pushId === id);
  await until(() => of(shown.id).length >= 2 && of(lost.id).length >= 2, 'both receipts came twice');
  await until(() => {
    const { receiptsSent, receiptsTaken } = emulator.account();
    return receiptsSent === receiptsTaken;
  }, 'every receipt was answered');

  for (const receipt of of(shown.id)) {
    assert.ok(['accepted', 'delivered', 'displayed'].includes(String(receipt.state)), receipt.code);
    assert.equal(receipt.tokenDead, false);
  }
  // Not every vendor has a word for a failure; none may tell of a success.
  for (const receipt of of(lost.id)) {
    assert.ok(['dropped', 'accepted', undefined].includes(receipt.state), receipt.code);
  }
  assert.equal(
    new Set(of(shown.id).map((receipt) => receipt.dedupKey)).size,
    1,
    'a repeated receipt is known again',
  );
  assert.equal(new Set(receipts.map((receipt) => receipt.dedupKey)).size, 2);

  emulator.setFaults({ 'forged-receipt': 1, 'late-receipt': 1 });
  const forgedBefore = emulator.account().receiptsForged ?? 0;
  const late = bench.pushes(2);
  for (const push of late) assert.equal((await bench.sendOne(sender, push)).kind, 'accepted');
  emulator.setFaults({});
  await until(() => late.every(({ id }) => of(id).length > 0), 'late receipts came');
  await until(() => refused === (emulator.account().receiptsForged ?? 0) - forgedBefore, 'forged ones came');
  assert.ok(refused >= 2, `${refused} forged`);
  for (const { id } of late) {
    assert.deepEqual(
      [...new Set(of(id).map((receipt) => receipt.state))].length,
      1,
      'the forged one says nothing',
    );
  }

  const call = calls[0] as CallbackRequest;
  const genuine = read(call);
  assert.ok(genuine.kind === 'receipts');
  if (genuine.proof === 'signature') {
    const forged = Buffer.from(call.rawBody);
    forged[forged.length >> 1] = (forged[forged.length >> 1] as number) ^ 1;
    assert.equal(read({ ...call, rawBody: forged }).kind, 'refused', 'a changed byte');
    assert.equal(read({ ...call, rawBody: call.rawBody.subarray(0, -1) }).kind, 'refused', 'a cut body');
    assert.equal(read({ rawQuery: '', headers: {}, rawBody: call.rawBody }).kind, 'refused', 'no signature');
  }
}

/** Vendors may hold a connection to one request until its first answer; after it, many are in flight. */
async function openWarmSender(bench: VendorBench): Promise<Sender> {
  const sender = bench.openSender();
  const outcome = await bench.sendOne(sender, bench.push());
  assert.equal(outcome.kind, 'accepted', describe(outcome));
  return sender;
}

function assertUnanswered(outcome: Outcome, mayHaveArrived: boolean): void {
  assert.equal(outcome.kind, 'unavailable', describe(outcome));
  if (outcome.kind === 'unavailable') assert.equal(outcome.mayHaveArrived, mayHaveArrived, describe(outcome));
}

function describe(outcome: Outcome): string {
  return JSON.stringify(outcome);
}
