import { type TObject, Type } from 'typebox';
import { textOf } from '../answer-reading.ts';
import type { OperationAnswer, VendorOperation } from '../vendor.ts';
import { channelPath } from './channel-payload.ts';
import { holdsHalfCharacter } from './content.ts';
import type { Api } from './settings.ts';
import type { Params } from './sign.ts';
import { sppPath } from './spp-payload.ts';
import type { Answer } from './transport.ts';

type Input = Readonly<Record<string, unknown>>;

/** One call. `fields` are the parameters of a form, all texts, or with SPP the body. */
interface Question {
  path: string;
  fields: Readonly<Record<string, unknown>>;
  /** Tokens among the fields, which must not come back in what the vendor says. */
  hidden: readonly string[];
}

interface Operation extends VendorOperation {
  /** How each generation is asked; one that is not named here has no such thing. */
  asks: { readonly [api in Api]?: (input: Input) => Question };
}

const object = (fields: Parameters<typeof Type.Object>[0]): TObject =>
  Type.Object(fields, { additionalProperties: false });
const tag = Type.String({ minLength: 1, maxLength: 128 });
const id = Type.String({ pattern: '^[A-Za-z0-9_]{1,128}$' });
const start = Type.Optional(
  Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Rows to pass over' }),
);
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 100 }));
const unixSeconds = Type.Optional(Type.Integer({ minimum: 0, maximum: 99_999_999_999 }));
const token = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' });

const rest = (path: string, fields: Params, hidden: readonly string[] = []): Question => ({
  path: `/rest/3.0/${path}`,
  fields,
  hidden,
});
const spp = (path: string, fields: Input, hidden: readonly string[] = []): Question => ({
  path: `${sppPath}/${path}`,
  fields,
  hidden,
});

/** The fields that were given, by the vendor's names. */
function named(input: Input, names: Readonly<Record<string, string>>): Params {
  return Object.fromEntries(
    Object.entries(names).flatMap(([field, name]) =>
      input[field] === undefined ? [] : [[name, String(input[field])]],
    ),
  );
}

const paging = { start: 'start', limit: 'limit' };
const records = { ...paging, from: 'range_start', to: 'range_end' };

/** What an operator may ask. Answers come as Baidu gave them, numbers as texts. */
export const operations: Readonly<Record<string, Operation>> = {
  verify: {
    summary: 'Prove the keys by a question that changes nothing',
    input: object({}),
    asks: {
      'rest-3.0': () => rest('app/query_tags', { start: '0', limit: '1' }),
      'channel-2.0': () => ({ path: channelPath, fields: { method: 'fetch_tag', limit: '1' }, hidden: [] }),
      spp: () => spp('app/info/platform/quota', {}),
    },
  },
  'create-tag': {
    summary: 'Create a tag (3.0)',
    input: object({ tag }),
    asks: { 'rest-3.0': (input) => rest('app/create_tag', named(input, { tag: 'tag' })) },
  },
  'delete-tag': {
    summary: 'Delete a tag (3.0)',
    input: object({ tag }),
    asks: { 'rest-3.0': (input) => rest('app/del_tag', named(input, { tag: 'tag' })) },
  },
  'tag-devices': {
    summary: 'Add up to ten devices to a tag, or take them out (3.0)',
    input: object({
      action: Type.Union([Type.Literal('add'), Type.Literal('remove')]),
      tag,
      channelIds: Type.Array(token, { minItems: 1, maxItems: 10, description: 'Tokens of the channel' }),
    }),
    asks: {
      'rest-3.0': (input) =>
        rest(
          input.action === 'add' ? 'tag/add_devices' : 'tag/del_devices',
          { ...named(input, { tag: 'tag' }), channel_ids: JSON.stringify(input.channelIds) },
          input.channelIds as string[],
        ),
    },
  },
  'tag-size': {
    summary: 'Count the devices of a tag (3.0)',
    input: object({ tag }),
    asks: { 'rest-3.0': (input) => rest('tag/device_num', named(input, { tag: 'tag' })) },
  },
  'list-tags': {
    summary: 'List tags (3.0)',
    input: object({ tag: Type.Optional(tag), start, limit }),
    asks: { 'rest-3.0': (input) => rest('app/query_tags', named(input, { tag: 'tag', ...paging })) },
  },
  'list-timers': {
    summary: 'List pushes that wait for their sendTime (3.0)',
    input: object({ timerId: Type.Optional(id), start, limit }),
    asks: {
      'rest-3.0': (input) => rest('timer/query_list', named(input, { timerId: 'timer_id', ...paging })),
    },
  },
  'cancel-timer': {
    summary: 'Cancel a push that waits for its sendTime (3.0)',
    input: object({ timerId: id }),
    asks: { 'rest-3.0': (input) => rest('timer/cancel', named(input, { timerId: 'timer_id' })) },
  },
  'list-topics': {
    summary: 'List topics with their counts (3.0)',
    input: object({ start, limit }),
    asks: { 'rest-3.0': (input) => rest('topic/query_list', named(input, paging)) },
  },
  'topic-records': {
    summary: 'List what was sent under a topic (3.0)',
    input: object({ topicId: id, start, limit, from: unixSeconds, to: unixSeconds }),
    asks: {
      'rest-3.0': (input) =>
        rest('report/query_topic_records', named(input, { topicId: 'topic_id', ...records })),
    },
  },
  'message-status': {
    summary: 'Ask for the state of messages to many devices (3.0)',
    input: object({ messageIds: Type.Array(id, { minItems: 1, maxItems: 50 }) }),
    asks: {
      'rest-3.0': (input) => rest('report/query_msg_status', { msg_id: JSON.stringify(input.messageIds) }),
    },
  },
  'device-status': {
    summary: 'Ask whether a device is online, offline or invalid (SPP)',
    input: object({ pushId: token }),
    asks: {
      spp: ({ pushId }) => spp('device/status', { push_id: pushId }, [String(pushId)]),
    },
  },
  'delete-message': {
    summary: 'Take back a message that was not delivered yet (SPP)',
    input: object({ messageId: id }),
    asks: { spp: ({ messageId }) => spp('message/delete', { msg_id: messageId }) },
  },
};

/** Puts one of `operations` to the vendor. */
export async function operate(
  api: Api,
  name: string,
  input: Input,
  ask: (question: Question) => Promise<Answer>,
): Promise<OperationAnswer> {
  const refuse = (code: string, detail: string): OperationAnswer => ({
    outcome: { kind: 'rejected', code, detail },
  });
  const question = Object.hasOwn(operations, name) ? operations[name]?.asks[api]?.(input) : undefined;
  if (question === undefined) return refuse('not-offered', `The api ${api} of this channel has no ${name}.`);
  if (holdsHalfCharacter(input)) return refuse('lone-surrogate', 'A text holds half of a surrogate pair.');
  const { outcome, result } = await ask(question);
  if (outcome.kind !== 'accepted') return { outcome };
  // `result` of a tag's creation or end: 0 is done, 1 is not.
  if (textOf(result?.result) === '1')
    return refuse('result-1', 'Baidu took the call and says that it failed.');
  // Whose question it was to see whether the keys are good did not ask for a list.
  return name === 'verify' || result === undefined ? { outcome } : { outcome, result };
}
