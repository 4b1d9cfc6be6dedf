import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '@pushmill/core';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';

function capture(level = 'info') {
  const lines: string[] = [];
  const log = createLogger({
    role: 'worker',
    level,
    destination: { write: (line) => void lines.push(line) },
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1) as string) };
}

describe('createLogger', () => {
  it('writes JSON lines with role, level name and ISO time', () => {
    const { log, last } = capture();
    log.info({ pushId: 'p.0' }, 'push.attempted');
    const line = last();
    assert.equal(line.role, 'worker');
    assert.equal(line.level, 'info');
    assert.equal(line.msg, 'push.attempted');
    assert.equal(line.pushId, 'p.0');
    assert.match(line.time, /^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('redacts at the top, one and two levels down', () => {
    const { log, lines } = capture();
    log.info({ token: 'hunter' });
    log.info({ push: { token: 'hunter' } });
    log.info({ a: { push: { token: 'hunter' } } });
    log.info({ req: { headers: { authorization: 'Bearer hunter', cookie: 'hunter' } } });
    log.info({ channel: { credential: { p8: 'hunter' } } });
    assert.equal(lines.length, 5);
    assert.doesNotMatch(lines.join(''), /hunter/);
  });

  it('leaves whether a setting is configured', () => {
    const { log, last } = capture();
    log.info({ config: { redisUrl: { configured: true }, apiKey: { configured: 'hunter' } } });
    assert.deepEqual(last().config, { redisUrl: { configured: true }, apiKey: '[redacted]' });
  });

  it('prints a Secret as such, wherever it is', () => {
    const { log, lines } = capture();
    log.info({ deep: { a: { b: { c: { unlisted: new Secret('hunter') } } } } });
    log.child({ bound: new Secret('hunter') }).info('x');
    assert.doesNotMatch(lines.join(''), /hunter/);
    assert.match(lines.join(''), /\[secret\]/);
  });

  it('keeps its redaction in a child that brings paths of its own', () => {
    // pino lets the child's paths replace the parent's.
    const { log, lines } = capture();
    const child = log.child({}, { redact: ['extra'] });
    child.info({ token: 'hunter', extra: 'hunter' });
    child.child({}, { redact: { paths: ['more'] } }).info({ token: 'hunter', more: 'hunter' });
    assert.equal(lines.length, 2);
    assert.doesNotMatch(lines.join(''), /hunter/);
  });

  it('cuts errors to safe fields, with their causes', () => {
    const { log, lines, last } = capture();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', options: { pass: 'hunter' } });
    const error = Object.assign(new Error('duplicate', { cause }), { code: '23505', detail: 'Key (hunter)' });
    log.error({ err: error }, 'failed');
    assert.equal(last().err.code, '23505');
    assert.equal(last().err.cause.code, 'ECONNREFUSED');
    assert.doesNotMatch(lines.join(''), /hunter/);
  });

  it('obeys the level', () => {
    const { log, lines } = capture('warn');
    log.info('quiet');
    assert.equal(lines.length, 0);
  });
});

describe('createMetrics', () => {
  it('keeps registries apart and labels every line with the role', async () => {
    const api = createMetrics('api');
    const worker = createMetrics('worker');
    api.counter('pushmill_messages_total', 'Messages taken', ['class']).inc({ class: 'marketing' }, 2);
    assert.match(await api.text(), /pushmill_messages_total\{class="marketing",role="api"\} 2/);
    assert.doesNotMatch(await worker.text(), /pushmill_messages_total/);
    assert.match(await worker.text(), /nodejs_version_info\{.*role="worker"/);
  });
});
