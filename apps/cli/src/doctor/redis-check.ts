import { askRedis, type RedisReply } from '../redis-dialog.ts';
import { clockFinding } from './clock.ts';
import { addressOf, type Finding, failed, ok, reasonOf, warning } from './finding.ts';

const check = 'Redis';

/** Whether it answers, can be written to, never drops what is in it, survives a restart; its clock. */
export async function checkRedis(redisUrl: string | undefined, ask = askRedis): Promise<Finding[]> {
  if (redisUrl === undefined) {
    return [
      failed(
        check,
        'not known: REDIS_URL is not set, and no "pushmill up" runs on the data folder',
        'Set REDIS_URL as the roles have it, or start one with "npx pushmill up".',
      ),
    ];
  }
  const address = addressOf(redisUrl);
  try {
    const before = Date.now();
    const [time, info] = await ask(redisUrl, [['TIME'], ['INFO']]);
    const middle = (before + Date.now()) / 2;
    if (info instanceof Error) throw info;
    const facts = factsOf(String(info));
    return [
      serviceFinding(facts, address),
      policyFinding(facts.get('maxmemory_policy')),
      persistenceFinding(facts.get('aof_enabled')),
      ...(Array.isArray(time) ? [clockFinding(check, millisecondsOf(time) - middle)] : []),
    ];
  } catch (error) {
    const detail = `does not serve us at ${address}: ${reasonOf(error)}`;
    return [failed(check, detail, 'Start it, or correct REDIS_URL.')];
  }
}

type Facts = ReadonlyMap<string, string>;

/** `INFO` is lines of `name:value`. */
function factsOf(info: string): Facts {
  return new Map(
    [...info.matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

function serviceFinding(facts: Facts, address: string): Finding {
  const server = facts.has('valkey_version')
    ? `Valkey ${facts.get('valkey_version')}`
    : (facts.get('redis_version') ?? 'of an unknown version');
  if (facts.get('role') === 'slave') {
    return failed(
      check,
      `${server} at ${address} is a replica and takes no jobs`,
      'Let REDIS_URL lead to the primary.',
    );
  }
  return ok(check, `${server} answers at ${address}`);
}

function policyFinding(policy: string | undefined): Finding {
  const name = 'Redis policy';
  if (policy === 'noeviction') return ok(name, 'noeviction');
  if (policy === undefined) {
    return warning(
      name,
      'maxmemory-policy is not told',
      'Make sure that it is noeviction where this Redis is managed.',
    );
  }
  return failed(
    name,
    `maxmemory-policy is ${policy}: when Redis is full it drops jobs`,
    'Set maxmemory-policy to noeviction, in redis.conf and with CONFIG SET.',
  );
}

function persistenceFinding(appendOnly: string | undefined): Finding {
  const name = 'Redis persistence';
  if (appendOnly === '1') return ok(name, 'appendonly yes');
  return warning(
    name,
    'appendonly is off: after a restart of Redis all jobs are made again from the ledger',
    'Set appendonly to yes, in redis.conf and with CONFIG SET.',
  );
}

function millisecondsOf([seconds, microseconds]: readonly RedisReply[]): number {
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}
