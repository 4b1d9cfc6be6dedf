import type { EmulatedApp, SentMessage } from './emulator-apps.ts';
import type { RefusalCode } from './emulator-checks.ts';
import { deviceList, isCount, isTag, parse } from './emulator-fields.ts';

/*
 * Tags, timers, topics and reports of REST 3.0, out of the emulator's own record of what it took. Each call gives
 * the JSON of its `response_params`, put together as text where numbers are beyond what a double holds.
 */

type Call = (
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  nowSeconds: number,
) => string | RefusalCode;

const maxTags = 10_000;
const maxTagDevices = 10;

/** By path below `/rest/3.0/`, with the methods that serve it. */
export const recordCalls: ReadonlyMap<string, { methods: readonly string[]; call: Call }> = new Map([
  ['app/query_tags', query(queryTags)],
  ['app/create_tag', change(createTag)],
  ['app/del_tag', change(deleteTag)],
  ['tag/add_devices', change((app, params) => tagDevices(app, params, true))],
  ['tag/del_devices', change((app, params) => tagDevices(app, params, false))],
  ['tag/device_num', query(countDevices)],
  ['timer/query_list', query(queryTimers)],
  ['timer/cancel', change(cancelTimer)],
  ['topic/query_list', query(queryTopics)],
  ['report/query_msg_status', query(queryStatus)],
  ['report/query_timer_records', query(queryTimerRecords)],
  ['report/query_topic_records', query(queryTopicRecords)],
]);

function query(call: Call) {
  return { methods: ['GET', 'POST'], call };
}

function change(call: Call) {
  return { methods: ['POST'], call };
}

function queryTags(app: EmulatedApp, params: ReadonlyMap<string, string>): string | RefusalCode {
  const wanted = params.get('tag');
  const names = [...app.tags.keys()].filter((name) => wanted === undefined || name === wanted);
  const rows = page(names, params);
  if (rows === undefined) return 30602;
  const written = rows.map(
    (name, index) =>
      `{"tid":${9_007_199_254_740_993n + BigInt(index)},"tag":${JSON.stringify(name)},"info":"","type":1,"create_time":1427174155}`,
  );
  return `{"total_num":${names.length},"result":[${written.join(',')}]}`;
}

function createTag(app: EmulatedApp, params: ReadonlyMap<string, string>): string | RefusalCode {
  const tag = params.get('tag');
  if (!isTag(tag)) return 30602;
  if (app.tags.has(tag)) return 30610;
  if (app.tags.size >= maxTags) return 30615;
  app.tags.set(tag, new Set());
  return JSON.stringify({ tag, result: 0 });
}

function deleteTag(app: EmulatedApp, params: ReadonlyMap<string, string>): string | RefusalCode {
  const tag = params.get('tag');
  if (!isTag(tag)) return 30602;
  return app.tags.delete(tag) ? JSON.stringify({ tag, result: 0 }) : 30611;
}

function tagDevices(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  adds: boolean,
): string | RefusalCode {
  const devices = deviceList(params.get('channel_ids'), maxTagDevices);
  if (!isTag(params.get('tag')) || devices === undefined) return 30602;
  const members = app.tags.get(params.get('tag') as string);
  if (members === undefined) return 30611;
  const result = devices.map((device) => {
    const isGood = /^\d{1,20}$/.test(device);
    if (isGood && adds) members.add(device);
    const done = adds ? isGood : members.delete(device);
    return { channel_id: device, result: done ? 0 : 1 };
  });
  return JSON.stringify({ result });
}

function countDevices(app: EmulatedApp, params: ReadonlyMap<string, string>): string | RefusalCode {
  const tag = params.get('tag');
  if (!isTag(tag)) return 30602;
  const members = app.tags.get(tag);
  return members === undefined ? 30611 : JSON.stringify({ device_num: members.size });
}

function queryTimers(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const wanted = params.get('timer_id');
  const waiting = [...app.timers.values()].filter(
    ({ id, sendTime }) => sendTime > now && (wanted === undefined || id === wanted),
  );
  const rows = page(waiting, params);
  if (rows === undefined) return 30602;
  const result = rows.map(({ id, sendTime }) => ({ timer_id: id, send_time: sendTime }));
  return JSON.stringify({ total_num: waiting.length, result });
}

function cancelTimer(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const timer = app.timers.get(params.get('timer_id') ?? '');
  if (timer === undefined || timer.sendTime <= now) return 30605;
  app.timers.delete(timer.id);
  app.messages.delete(timer.messageId);
  // Nothing to tell: PHP writes an empty object as a list.
  return '[]';
}

function queryTopics(app: EmulatedApp, params: ReadonlyMap<string, string>): string | RefusalCode {
  const topics = Map.groupBy(
    [...app.messages.values()].filter(({ topic }) => topic !== undefined),
    ({ topic }) => topic as string,
  );
  const rows = page([...topics], params);
  if (rows === undefined) return 30602;
  const result = rows.map(([topic, messages]) => ({
    topic_id: topic,
    ctime: messages[0]?.sendTime,
    mtime: messages.at(-1)?.sendTime,
    push_cnt: messages.length,
    ack_cnt: messages.reduce((sum, { arrived }) => sum + arrived, 0),
  }));
  return JSON.stringify({ total_num: topics.size, result });
}

/** One id, or a list of them as JSON. Single pushes are in no report. */
function queryStatus(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const asked = params.get('msg_id') ?? '';
  const ids = asked.startsWith('[') ? parse(asked) : [asked];
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > 100) return 30602;
  const found = ids.map((id) => app.messages.get(String(id)));
  if (found.some((message) => message === undefined)) return 30605;
  const rows = (found as SentMessage[]).map((message, index) => {
    const status = statusOf(message, now);
    const success = status === 0 ? message.arrived : 0;
    // As in push answers: now a text, now a bare number.
    const id = index % 2 === 0 ? `"${message.id}"` : message.id;
    return `{"msg_id":${id},"status":${status},"success":${success},"send_time":${message.sendTime}}`;
  });
  return `{"total_num":${rows.length},"result":[${rows.join(',')}]}`;
}

function queryTimerRecords(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const timer = app.timers.get(params.get('timer_id') ?? '');
  if (timer === undefined) return 30605;
  const sent = [app.messages.get(timer.messageId)].filter(
    (message): message is SentMessage => message !== undefined && message.sendTime <= now,
  );
  return recordsOf({ timer_id: timer.id }, sent, params, now);
}

function queryTopicRecords(
  app: EmulatedApp,
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const topic = params.get('topic_id') ?? '';
  if (!/^\w{1,128}$/.test(topic)) return 30602;
  const sent = [...app.messages.values()].filter((message) => message.topic === topic);
  return recordsOf({ topic_id: topic }, sent, params, now);
}

function recordsOf(
  head: Record<string, string>,
  sent: readonly SentMessage[],
  params: ReadonlyMap<string, string>,
  now: number,
): string | RefusalCode {
  const [from, to] = [params.get('range_start') ?? '0', params.get('range_end') ?? '99999999999'];
  if (!isCount(from, 0, 99_999_999_999) || !isCount(to, 0, 99_999_999_999)) return 30602;
  const within = sent.filter(({ sendTime }) => sendTime >= Number(from) && sendTime <= Number(to));
  const rows = page(within, params);
  if (rows === undefined) return 30602;
  const result = rows.map((message) => ({
    msg_id: message.id,
    status: statusOf(message, now),
    send_time: message.sendTime,
  }));
  return JSON.stringify({ ...head, result });
}

/** 0 sent, 1 waiting, 3 failed; the emulator is never in the middle of it (2). */
function statusOf(message: SentMessage, now: number): number {
  if (message.sendTime > now) return 1;
  return message.failed ? 3 : 0;
}

/** Undefined for a page that cannot be. */
function page<Row>(rows: readonly Row[], params: ReadonlyMap<string, string>): Row[] | undefined {
  const [start, limit] = [params.get('start') ?? '0', params.get('limit') ?? '100'];
  if (!isCount(start, 0, 1_000_000) || !isCount(limit, 1, 100)) return undefined;
  return rows.slice(Number(start), Number(start) + Number(limit));
}
