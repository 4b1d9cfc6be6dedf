import { type Lane, lanes } from '@pushmill/core';
import type { Redis } from 'ioredis';
import { channelPrefix } from './keys.ts';

/*
 * What Redis knows of one channel's rate, and the one script that changes it.
 *
 *   bucket  how many tokens are owed: a grant adds its tokens, time takes `rate` a second away. Nothing is granted
 *           while something is owed, so a call of 500 tokens at 100/s passes at once and the channel then rests for
 *           five seconds. Below nothing the bucket sinks 20 ms deep, so that late wakers lose no capacity. It counts
 *           tokens, not time: a debt made at 0.01/s is over within a moment at 100/s.
 *   log     the grants of the last second, and 5 ms for the way from grant to use. The bucket alone lets calls of 40
 *           tokens at 100/s pass three times in 0.8 s; the log keeps every second below the rate plus 3 %.
 *   line    the workers that wait: urgent before bulk, then whoever came first. A grant goes only to the first, who
 *           then stands at the end again. Everybody is told when his turn will come, so each asks about once a grant.
 *           Who is 5 ms late is passed over until he comes: a killed worker stops nobody.
 *   hold    exists while the channel is stopped; its time to live is what remains.
 *
 * The clock is Redis's. If it is set back, nothing is drained for that moment and the log starts anew.
 */

export interface LimiterKeys {
  bucket: string;
  log: string;
  line: string;
  hold: string;
}

export function limiterKeys(root: string, channelId: string): LimiterKeys {
  const base = `${channelPrefix(root, channelId)}:limiter`;
  return { bucket: `${base}:bucket`, log: `${base}:log`, line: `${base}:line`, hold: `${base}:hold` };
}

export interface Ask {
  worker: string;
  ratePerSecond: number;
  lane: Lane;
  /** Of the call that is next: less is of no use. */
  first: number;
  /** Of all calls that wait. Who gets less stands in the line again at once. */
  waiting: number;
  /** All that could be used at once, no less than `waiting`; 0 leaves the line. */
  want: number;
  /** Unused tokens of an earlier grant, and which. */
  back: number;
  backOf: string;
}

export interface Answer {
  granted: number;
  /** When to ask again, if the worker stands in the line; else 0. */
  waitMs: number;
  /** What remains of the channel's stop. */
  heldMs: number;
  /** The grant's name: Redis's clock in microseconds. */
  at: string;
}

const script = `
local worker, rate, lane = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local first, waiting, want = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local back, backOf = tonumber(ARGV[7]), ARGV[8]
local bucketKey, logKey, lineKey, holdKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local second = 1000000
local window, patience = 1.005 * second, 5000
local time = redis.call('time')
local now = time[1] * second + time[2]
local at = string.format('%.0f', now)

local depth = 0.02 * rate
local quantum = math.max(1, math.floor(0.01 * rate))
local most = math.max(math.ceil(rate), math.floor(1.03 * rate))

local state = redis.call('hmget', bucketKey, 'owed', 'at', 'passed', 'ticket')
local owed, last = tonumber(state[1] or 0), tonumber(state[2] or now)
local passed, ticket = tonumber(state[3] or 0), tonumber(state[4] or 0)
if now < last then
  redis.call('del', logKey)
  passed = 0
else
  owed = math.max(owed - (now - last) * rate / second, -depth)
end

if back > 0 then
  owed = math.max(owed - back, -depth)
  -- Taken out of the log where it was entered: a later entry would leave the log later than it should.
  for place = -1, -64, -1 do
    local entry = redis.call('lindex', logKey, place)
    if not entry then break end
    local entryAt, tokens = string.match(entry, '(%d+):(%d+)')
    if entryAt == backOf then
      redis.call('lset', logKey, place, entryAt .. ':' .. math.max(0, tokens - back))
      passed = passed - math.min(back, tonumber(tokens))
      break
    end
  end
end

while true do
  local entry = redis.call('lindex', logKey, 0)
  if not entry then passed = 0 break end
  local entryAt, tokens = string.match(entry, '(%d+):(%d+)')
  if tonumber(entryAt) > now - window then break end
  redis.call('lpop', logKey)
  passed = passed - tokens
end

local held = math.max(0, redis.call('pttl', holdKey))
local granted, wait = 0, 0

-- What the others need: those who stand before this worker, and all who would stand before a new ticket of its.
local before, all, own = 0, 0, nil
local line = redis.call('hgetall', lineKey)
for i = 1, #line, 2 do
  if line[i] == worker then
    local l, t = string.match(line[i + 1], '(%d+) (%d+)')
    if tonumber(l) == lane then own = tonumber(t) end
  end
end
for i = 1, #line, 2 do
  if line[i] ~= worker then
    local l, t, need, due = string.match(line[i + 1], '(%d+) (%d+) (%d+) (%d+)')
    l, t, need, due = tonumber(l), tonumber(t), tonumber(need), tonumber(due)
    if now > due + second or due > now + second then
      redis.call('hdel', lineKey, line[i])
    elseif l <= lane and now < due + patience then
      all = all + need
      if l < lane or not own or t < own then before = before + need end
    end
  end
end

local function stand(need)
  if not own then
    ticket = ticket + 1
    own = ticket
  end
  wait = math.min(math.max(wait, 1000), second)
  redis.call('hset', lineKey, worker, string.format('%d %.0f %.0f %.0f', lane, own, need, now + wait))
  redis.call('pexpire', lineKey, 5000)
end

if want == 0 then
  redis.call('hdel', lineKey, worker)
else
  local need = math.max(first, math.min(want, quantum))
  wait = math.max(held * 1000, (owed + before) / rate * second)
  if before > 0 then wait = math.max(wait, 1000) end
  if wait <= 0 then
    if first > most then
      granted = first
    elseif passed + first <= most then
      granted = math.min(need, most - passed)
    else
      local leaving = 0
      for _, entry in ipairs(redis.call('lrange', logKey, 0, -1)) do
        local entryAt, tokens = string.match(entry, '(%d+):(%d+)')
        leaving = leaving + tokens
        wait = tonumber(entryAt) + window - now
        if passed - leaving + first <= most then break end
      end
    end
  end

  if granted == 0 then
    stand(need)
  else
    owed = owed + granted
    passed = passed + granted
    redis.call('rpush', logKey, at .. ':' .. string.format('%.0f', granted))
    redis.call('pexpire', logKey, 5000)
    if waiting > granted then
      own = nil
      wait = (owed + all) / rate * second
      stand(math.max(first, math.min(waiting - granted, quantum)))
    else
      wait = 0
      redis.call('hdel', lineKey, worker)
    end
  end
end

redis.call('hset', bucketKey, 'owed', string.format('%.17g', owed), 'at', at,
  'passed', string.format('%.0f', passed), 'ticket', string.format('%.0f', ticket))
redis.call('pexpire', bucketKey, string.format('%.0f', 60000 + math.max(0, owed) / rate * 1000))
return { granted, math.ceil(wait / 1000), held, at }
`;

/** Stops for the longer of what is there and what is asked for. */
const holdScript = `
if redis.call('pttl', KEYS[1]) < tonumber(ARGV[1]) then redis.call('set', KEYS[1], 1, 'PX', ARGV[1]) end
`;

type Reply = [granted: number, waitMs: number, heldMs: number, at: string];

interface WithCommands {
  limiterAsk(...args: (string | number)[]): Promise<Reply>;
  limiterHold(key: string, ms: number): Promise<null>;
}

function withCommands(redis: Redis): Redis & WithCommands {
  if (!('limiterAsk' in redis)) {
    redis.defineCommand('limiterAsk', { numberOfKeys: 4, lua: script });
    redis.defineCommand('limiterHold', { numberOfKeys: 1, lua: holdScript });
  }
  return redis as Redis & WithCommands;
}

export async function askRedis(redis: Redis, keys: LimiterKeys, ask: Ask): Promise<Answer> {
  const [granted, waitMs, heldMs, at] = await withCommands(redis).limiterAsk(
    keys.bucket,
    keys.log,
    keys.line,
    keys.hold,
    ask.worker,
    ask.ratePerSecond,
    lanes.indexOf(ask.lane),
    ask.first,
    ask.waiting,
    ask.want,
    ask.back,
    ask.backOf,
  );
  return { granted, waitMs, heldMs, at };
}

export async function holdInRedis(redis: Redis, keys: LimiterKeys, ms: number): Promise<void> {
  await withCommands(redis).limiterHold(keys.hold, Math.ceil(ms));
}
