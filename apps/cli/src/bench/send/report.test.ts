import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alternate, type Figures } from '../rounds.ts';
import { contenders, type SendVendor } from './contenders.ts';
import type { FigureName, SendMeasurement } from './measurement.ts';
import { reportSend, type SendReport, sendText } from './report.ts';

const options = { pushes: 1_000, warmUp: 100, rounds: 2, inFlight: 400 };

/** By the name of the contender; one that is left out is not installed. */
type Given = Record<string, Partial<Figures<FigureName>>>;

async function measured(given: Given, vendor: SendVendor): Promise<SendMeasurement> {
  const usual = { cpuUs: 50, perSecond: 10_000, cores: 0.5, sinkCpuUs: 20, sinkCores: 0.2, connections: 1 };
  const rounds = await alternate<FigureName>(
    Object.entries(given).map(([name, own]) => ({ name, run: async () => ({ ...usual, ...own }) })),
    { rounds: 2, warmUp: false, progress: () => {}, signal: new AbortController().signal },
  );
  return {
    machine: {
      cpu: 'a processor',
      cores: 2,
      memoryGiB: 8,
      system: 'Linux 6',
      node: '26.10.0',
      loadBefore: 0,
      versions: {},
    },
    sink: { kind: 'nginx', version: '1.22.1' },
    vendors: [
      {
        vendor,
        rounds,
        absent: contenders[vendor].map(({ name }) => name).filter((name) => !given[name]),
      },
    ],
  };
}

const report = async (given: Given, vendor: SendVendor = 'apns') =>
  reportSend(await measured(given, vendor), options);
const verdicts = ({ vendors }: SendReport) =>
  vendors.flatMap(({ bars }) => bars.map(({ other, holds }) => [other, holds]));

describe('the bars', () => {
  const apns = (floor: number, nodeApn: number, apns2: number): Given => ({
    'node:http2': { cpuUs: floor },
    pushmill: { cpuUs: 50 },
    '@parse/node-apn': { cpuUs: nodeApn },
    apns2: { cpuUs: apns2 },
  });
  const fcm = (floor: number, together: number, single: number): Given => ({
    'node:http2': { cpuUs: floor },
    pushmill: { cpuUs: 50 },
    'firebase-admin sendEach': { cpuUs: together },
    'firebase-admin send': { cpuUs: single },
  });
  const cases: [string, SendVendor, Given, (boolean | null)[]][] = [
    ['hold', 'apns', apns(40, 51, 90), [true, true, true]],
    ['the floor', 'apns', apns(39, 51, 90), [false, true, true]],
    ['as much', 'apns', apns(40, 50, 90), [true, false, true]],
    ['apns2', 'apns', apns(40, 51, 49), [true, true, false]],
    ['hold, and there is none beside the floor', 'fcm', fcm(10, 51, 90), [null, true, true]],
    ['sendEach', 'fcm', fcm(40, 50, 90), [null, false, true]],
    ['send', 'fcm', fcm(40, 51, 49), [null, true, false]],
  ];
  for (const [name, vendor, given, expected] of cases) {
    it(`${vendor}: ${name}`, async () => {
      const found = await report(given, vendor);
      const others = Object.keys(given).filter((other) => other !== 'pushmill');
      assert.deepEqual(
        verdicts(found),
        others.map((other, index) => [other, expected[index]]),
      );
      assert.equal(found.holds, !expected.includes(false));
    });
  }

  it('are those of both vendors', async () => {
    const [good, bad] = [await measured(apns(40, 51, 90), 'apns'), await measured(fcm(40, 50, 90), 'fcm')];
    const both = reportSend({ ...good, vendors: [...good.vendors, ...bad.vendors] }, options);
    assert.equal(verdicts(both).length, 6);
    assert.equal(both.holds, false);
    assert.match(sendText(both), /^APNs\n[\s\S]*^FCM\n/m);
  });

  it('are not judged beside what is not installed, and it is said', async () => {
    const found = await report({ 'node:http2': {}, pushmill: {}, '@parse/node-apn': { cpuUs: 60 } });
    assert.deepEqual(verdicts(found), [
      ['node:http2', true],
      ['@parse/node-apn', true],
      ['apns2', null],
    ]);
    assert.equal(found.holds, true);
    assert.match(sendText(found), /^apns2 is not installed and was not measured$/m);
    assert.match(sendText(found), /^CPU beside apns2: not measured; the bar is below 1\.$/m);
  });
});

describe('the text', () => {
  it('tells ratio, bar and verdict', async () => {
    const text = sendText(await report({ 'node:http2': {}, pushmill: { cpuUs: 65 } }));
    assert.match(
      text,
      /^CPU is 1\.30 \(1\.30–1\.30\) times that of node:http2; the bar, at most 1\.25, does NOT hold\.$/m,
    );
  });

  it('tells a ratio without a bar as it is', async () => {
    const text = sendText(await report({ 'node:http2': {}, pushmill: { cpuUs: 65 } }, 'fcm'));
    assert.match(text, /^CPU is 1\.30 \(1\.30–1\.30\) times that of node:http2\.$/m);
    assert.match(sendText(await report({ pushmill: {} }, 'fcm')), /^CPU beside node:http2: not measured\.$/m);
  });

  it('tells what limited each', async () => {
    const text = sendText(
      await report({ 'node:http2': { sinkCores: 0.95 }, pushmill: { cores: 1.02 }, apns2: { cores: 0.4 } }),
    );
    assert.match(text, /: its own CPU \(pushmill\); the sink \(node:http2\); neither \(apns2\)\.$/m);
  });

  it('says where the sink’s CPU could not be measured, and why it is not nginx', async () => {
    const unknown = { sinkCpuUs: Number.NaN, sinkCores: Number.NaN };
    const found = await report({ 'node:http2': unknown, pushmill: unknown });
    found.sink = { kind: 'node', version: '26.10.0', insteadOfNginx: 'nginx is not installed.' };
    assert.match(sendText(found), /^the sink is a Node server .* \(nginx is not installed\.\)$/m);
    assert.match(sendText(found), /The CPU of the sink could not be measured here\.$/m);
  });
});
