import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alternate, type Figures } from '../rounds.ts';
import type { ContenderName } from './contenders.ts';
import type { FigureName, SendMeasurement } from './measurement.ts';
import { reportSend, sendText } from './report.ts';

const options = { pushes: 1_000, warmUp: 100, rounds: 2, inFlight: 400 };
const all: ContenderName[] = ['node:http2', 'pushmill', '@parse/node-apn', 'apns2'];

type Given = Partial<Record<ContenderName, Partial<Figures<FigureName>>>>;

async function measured(given: Given): Promise<SendMeasurement> {
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
    rounds,
    absent: all.filter((name) => !given[name]),
  };
}

const report = async (given: Given) => reportSend(await measured(given), options);

describe('the bars', () => {
  const cases: [string, Record<ContenderName, number>, (boolean | null)[]][] = [
    ['hold', { 'node:http2': 40, pushmill: 50, '@parse/node-apn': 51, apns2: 90 }, [true, true, true]],
    ['the floor', { 'node:http2': 39, pushmill: 50, '@parse/node-apn': 51, apns2: 90 }, [false, true, true]],
    ['as much', { 'node:http2': 40, pushmill: 50, '@parse/node-apn': 50, apns2: 90 }, [true, false, true]],
    ['apns2', { 'node:http2': 40, pushmill: 50, '@parse/node-apn': 51, apns2: 49 }, [true, true, false]],
  ];
  for (const [name, cpu, expected] of cases) {
    it(name, async () => {
      const given = Object.fromEntries(Object.entries(cpu).map(([key, cpuUs]) => [key, { cpuUs }]));
      const { bars, holds } = await report(given);
      assert.deepEqual(
        bars.map((bar) => bar.holds),
        expected,
      );
      assert.equal(holds, !expected.includes(false));
    });
  }

  it('are not judged beside what is not installed, and it is said', async () => {
    const found = await report({ 'node:http2': {}, pushmill: {}, '@parse/node-apn': { cpuUs: 60 } });
    assert.deepEqual(
      found.bars.map(({ holds }) => holds),
      [true, true, null],
    );
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
