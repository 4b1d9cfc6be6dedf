import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ConfigError, describeConfig, loadConfig, readSettings } from './config.ts';
import { configPage, configPagePath } from './docs.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 9).toString('base64');
const enough = {
  REDIS_URL: 'redis://:hunter2@127.0.0.1:6379',
  DATABASE_URL: 'postgres://pushmill:hunter3@127.0.0.1/pushmill',
  PUSHMILL_MASTER_KEY: KEY,
};

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('loadConfig', () => {
  it('fills the defaults', () => {
    const config = loadConfig(enough);
    assert.equal(config.host, '127.0.0.1');
    assert.equal(config.port, 8080);
    assert.equal(config.receiptsPort, 8081);
    assert.equal(config.metricsPort, 8082);
    assert.equal(config.publicReceiptsUrl, 'http://127.0.0.1:8081');
    assert.equal(config.logLevel, 'info');
    assert.equal(config.dataDir, './.pushmill');
    assert.equal(config.maxBacklog, 20_000_000);
    assert.equal(config.maxUrgentAgeSeconds, 300);
    assert.equal(config.workerVendors, undefined);
    assert.ok(Object.isFrozen(config));
  });

  it('reads every setting', () => {
    const config = loadConfig({
      ...enough,
      PUSHMILL_PORT: '0',
      PUSHMILL_HOST: '0.0.0.0',
      PUSHMILL_PUBLIC_RECEIPTS_URL: 'https://push.example.com/r/',
      PUSHMILL_WORKER_VENDORS: 'apns, mpaas',
      PUSHMILL_WORKER_CONCURRENCY: '25',
      PUSHMILL_LOG_LEVEL: 'debug',
    });
    assert.equal(config.port, 0);
    assert.equal(config.publicReceiptsUrl, 'https://push.example.com/r');
    assert.deepEqual(config.workerVendors, ['apns', 'mpaas']);
    assert.equal(config.workerConcurrency, 25);
    assert.equal(config.redisUrl.reveal(), enough.REDIS_URL);
  });

  it('lists every problem with its name and rule, and no value', () => {
    const problems = problemsOf({
      REDIS_URL: 'hunter2',
      PUSHMILL_MASTER_KEY: 'c2hvcnQ=',
      PUSHMILL_PORT: '80a',
      PUSHMILL_LOG_LEVEL: 'loud-hunter',
    });
    assert.deepEqual(
      problems.map((problem) => problem.split(' ')[0]),
      ['REDIS_URL', 'PUSHMILL_MASTER_KEY', 'PUSHMILL_PORT', 'PUSHMILL_LOG_LEVEL', 'DATABASE_URL'],
    );
    assert.doesNotMatch(problems.join('\n'), /hunter|c2hvcnQ|80a/);
    assert.match(problems.join('\n'), /PUSHMILL_PORT must be a port number from 0 to 65535/);
  });

  for (const [name, value] of [
    ['PUSHMILL_PORT', '65536'],
    ['PUSHMILL_PORT', '-1'],
    ['PUSHMILL_PORT', '1.5'],
    ['PUSHMILL_WORKER_CONCURRENCY', '0'],
    ['PUSHMILL_MAX_BACKLOG', '0'],
    ['PUSHMILL_MAX_URGENT_AGE_SECONDS', '5m'],
    ['PUSHMILL_WORKER_VENDORS', 'apns,,mpaas'],
    ['PUSHMILL_MASTER_KEY', `${KEY},`],
    ['PUSHMILL_OPERATOR_PASSWORD', 'short'],
    ['PUSHMILL_PUBLIC_RECEIPTS_URL', 'ftp://example.com'],
    ['DATABASE_URL', 'mysql://127.0.0.1'],
  ] as const) {
    it(`refuses ${name}=${value}`, () => {
      assert.deepEqual(
        problemsOf({ ...enough, [name]: value }).map((problem) => problem.split(' ')[0]),
        [name],
      );
    });
  }

  it('refuses unknown PUSHMILL_ names and guesses what was meant', () => {
    assert.deepEqual(problemsOf({ ...enough, PUSHMILL_LOGLEVEL: 'info', PUSHMILL_FROBNICATE: '1' }), [
      'PUSHMILL_LOGLEVEL is not a setting; did you mean PUSHMILL_LOG_LEVEL?',
      'PUSHMILL_FROBNICATE is not a setting; remove it',
    ]);
  });

  it('leaves the names of others and of the tests alone', () => {
    assert.deepEqual(problemsOf({ ...enough, PATH: '/bin', OTEL_X: '1', PUSHMILL_TEST_KEEP: '1' }), []);
  });

  it('takes an empty value for an unset one', () => {
    assert.equal(loadConfig({ ...enough, PUSHMILL_PORT: '', PUSHMILL_URL: '' }).port, 8080);
    assert.match(problemsOf({ ...enough, REDIS_URL: '' }).join(), /REDIS_URL is missing/);
  });

  it('takes several master keys', () => {
    const config = loadConfig({ ...enough, PUSHMILL_MASTER_KEY: `${KEY}, ${OTHER_KEY}` });
    assert.equal(config.masterKey.reveal(), `${KEY}, ${OTHER_KEY}`);
  });
});

describe('readSettings', () => {
  it('requires nothing', () => {
    assert.equal(readSettings({}).databaseUrl, undefined);
    assert.throws(() => readSettings({ PUSHMILL_PORT: 'x' }), ConfigError);
  });
});

describe('describeConfig', () => {
  it('shows values, and of secrets only whether they are there', () => {
    const shown = describeConfig(loadConfig(enough));
    assert.equal(shown.port, 8080);
    assert.deepEqual(shown.redisUrl, { configured: true });
    assert.deepEqual(shown.operatorPassword, { configured: false });
    assert.doesNotMatch(JSON.stringify(shown), /hunter/);
  });

  it('has nothing to add to printing the config itself: secrets hide', () => {
    assert.doesNotMatch(inspect(loadConfig(enough)) + JSON.stringify(loadConfig(enough)), /hunter/);
  });
});

describe('docs/config.md', () => {
  it('is what the schema says; else run: node packages/config/src/docs.ts', () => {
    assert.equal(readFileSync(configPagePath, 'utf8'), configPage());
  });
});
