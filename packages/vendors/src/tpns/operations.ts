import { type TObject, type TProperties, Type } from 'typebox';
import { withoutToken } from '../audience-outcome.ts';
import type { OperationAnswer, VendorOperation } from '../vendor.ts';
import type { Fields } from './answer.ts';
import { recordPath, rowsOf } from './polling.ts';
import type { Transport } from './transport.ts';

type Input = Readonly<Record<string, unknown>>;

interface Operation extends VendorOperation {
  path: string;
  /** What is posted, or in a sentence why it cannot be. */
  body(input: Input, now: number): Record<string, unknown> | string;
  /** What is told of the answer. */
  result?(fields: Fields): Record<string, unknown>;
}

const closed = (fields: TProperties): TObject => Type.Object(fields, { additionalProperties: false });
const token = Type.String({ minLength: 1, maxLength: 36 });
const tag = Type.String({ minLength: 1, maxLength: 50 });
const account = closed({
  account: Type.String({ minLength: 2, maxLength: 256 }),
  accountType: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
});
const oneOf = (words: readonly string[]) => Type.Union(words.map((word) => Type.Literal(word)));
const date = Type.String({ format: 'date', description: 'UTC+8' });
const pushId = Type.String({ pattern: '^\\d{1,32}$' });

/** What an operator may ask of TPNS besides sending, one call each. */
export const operations: Readonly<Record<string, Operation>> = {
  verify: {
    summary:
      'Prove the Access ID and its secret by asking for one task of today; one of 200 statistics calls an hour',
    input: closed({}),
    path: recordPath,
    body(_input, now) {
      const today = new Date(now + 8 * 3_600_000).toISOString().slice(0, 10);
      return { startDate: today, endDate: today, offset: 0, limit: 1 };
    },
  },
  'push-record': {
    summary: 'Show one task by its push id, or those of some days; one of 200 statistics calls an hour',
    input: closed({
      pushId: Type.Optional(pushId),
      startDate: Type.Optional(date),
      endDate: Type.Optional(date),
      messageType: Type.Optional(oneOf(['notify', 'message'])),
      audienceType: Type.Optional(oneOf(['all', 'tag', 'token', 'account'])),
      offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
    }),
    path: recordPath,
    body({ pushId, startDate, endDate, messageType, audienceType, offset, limit }) {
      if (pushId !== undefined) return startDate === undefined ? { pushId } : 'A push id, or days; not both.';
      if (startDate === undefined || endDate === undefined)
        return 'A push id is needed, or startDate and endDate.';
      return {
        startDate,
        endDate,
        msgType: messageType,
        pushType: audienceType,
        offset: offset ?? 0,
        limit: limit ?? 20,
      };
    },
    result: (fields) => ({
      // The targets may be a thousand, and their number is what matters here.
      tasks: rowsOf(fields.pushRecordData).map(({ targetList, ...row }) =>
        Array.isArray(targetList) ? { ...row, targets: targetList.length } : row,
      ),
      ...(typeof fields.count === 'number' ? { count: fields.count } : {}),
    }),
  },
  'tasks-of-token': {
    summary: 'List today’s tasks of one device: whether an unanswered call was taken; 200 calls an hour',
    input: closed({ token }),
    path: '/v3/toolbox/getPushListByToken',
    body: (input) => ({ token: input.token }),
    result: (fields) => ({
      tasks: rowsOf(fields.pushTaskList).map((row) => ({
        pushId: row.pushId,
        pushTime: row.pushTime,
        pushTargetType: row.pushTargetType,
      })),
    }),
  },
  'tag-devices': {
    summary: 'Put tags on devices, take them off, or replace all tags of one device',
    input: closed({
      operation: oneOf(['add', 'remove', 'overwrite', 'clear']),
      tokens: Type.Optional(Type.Array(token, { minItems: 1, maxItems: 500 })),
      tags: Type.Optional(Type.Array(tag, { minItems: 1, maxItems: 500 })),
      pairs: Type.Optional(Type.Array(closed({ tag, token }), { minItems: 1, maxItems: 20 })),
    }),
    path: '/v3/device/tag',
    body: tagBody,
    result: itemResults,
  },
  'delete-tag': {
    summary: 'Take tags off all devices that have them',
    input: closed({ tags: Type.Array(tag, { minItems: 1, maxItems: 500 }) }),
    path: '/v3/device/tag/delete_all_device',
    body: (input) => ({ tag_list: input.tags }),
  },
  'bind-accounts': {
    summary: 'Bind accounts to devices or unbind them; TPNS does it a while after it has answered',
    input: closed({
      operation: oneOf(['overwrite', 'remove', 'clear-tokens', 'clear-accounts']),
      bindings: Type.Optional(
        Type.Array(closed({ token, accounts: Type.Array(account, { minItems: 1, maxItems: 100 }) }), {
          minItems: 1,
          maxItems: 20,
          description: 'overwrite, remove',
        }),
      ),
      tokens: Type.Optional(Type.Array(token, { minItems: 1, maxItems: 500, description: 'clear-tokens' })),
      accounts: Type.Optional(
        Type.Array(account, { minItems: 1, maxItems: 500, description: 'clear-accounts' }),
      ),
    }),
    path: '/v3/device/account/batchoperate',
    body: bindBody,
    result: itemResults,
  },
};

/** @throws TypeError  for an operation that is not in the table, which is the caller's mistake */
export async function operate(
  name: string,
  input: Input,
  transport: Transport,
  now: number,
  signal: AbortSignal,
): Promise<OperationAnswer> {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (operation === undefined) throw new TypeError(`tpns has no operation ${name}`);
  const body = operation.body(input, now);
  if (typeof body === 'string') {
    return { outcome: { kind: 'rejected', code: 'invalid-input', detail: body } };
  }
  const { path } = operation;
  const { outcome: said, fields } = await transport.ask(
    { path, body: () => JSON.stringify(body), hidden: textsIn(input) },
    signal,
  );
  const outcome = withoutToken(said);
  // A batch that failed in part has a code of its own and tells which part.
  const isTold = outcome.kind === 'accepted' || Array.isArray(fields.result);
  return isTold && operation.result ? { outcome, result: operation.result(fields) } : { outcome };
}

/** @see  cloud.tencent.com 548/39062 (intl 1024/33766) "Tag binding and unbinding", operator_type 1 to 10 */
function tagBody({ operation, tokens, tags, pairs }: Input): Record<string, unknown> | string {
  const [tokenCount, tagCount] = [lengthOf(tokens), lengthOf(tags)];
  const body = { token_list: tokens, tag_list: tags };
  if (operation === 'clear' || operation === 'overwrite') {
    // Further tokens would be ignored without a word.
    if (tokenCount !== 1 || pairs !== undefined) return `${operation} takes one token.`;
    if (operation === 'clear') {
      return tags === undefined ? { operator_type: 5, ...body } : 'clear takes no tags.';
    }
    return tagCount > 0 ? { operator_type: 6, ...body } : 'overwrite needs tags.';
  }
  const removal = operation === 'remove' ? 1 : 0;
  if (pairs !== undefined) {
    if (tokenCount + tagCount > 0) return 'Pairs, or tokens and tags; not both.';
    return { operator_type: 9 + removal, tag_token_list: pairs };
  }
  if (tokenCount === 0 || tagCount === 0) return `${operation} needs tokens and tags, or pairs.`;
  if (tokenCount > 1 && tagCount > 1)
    return 'One token with several tags, several tokens with one tag, or pairs.';
  const form = tokenCount > 1 ? 7 : tagCount > 1 ? 3 : 1;
  return { operator_type: form + removal, ...body };
}

/** @see  intl 1024/33770 "Account binding and unbinding"; operator_type 1 is retired and acts as 2 */
function bindBody({ operation, bindings, tokens, accounts }: Input): Record<string, unknown> | string {
  const wireAccount = (item: Fields) => ({ account: item.account, account_type: item.accountType });
  const given = { bindings, tokens, accounts };
  const only = (name: keyof typeof given) =>
    Object.entries(given).every(([key, value]) => (value !== undefined) === (key === name));
  switch (operation) {
    case 'overwrite':
    case 'remove':
      if (!only('bindings')) return `${operation} takes bindings and nothing else.`;
      return {
        operator_type: operation === 'overwrite' ? 2 : 3,
        token_accounts: rowsOf(bindings).map((binding) => ({
          token: binding.token,
          account_list: rowsOf(binding.accounts).map(wireAccount),
        })),
      };
    case 'clear-tokens':
      return only('tokens')
        ? { operator_type: 4, token_list: tokens }
        : 'clear-tokens takes tokens and nothing else.';
    default:
      if (!only('accounts')) return 'clear-accounts takes accounts and nothing else.';
      return { operator_type: 5, account_list: rowsOf(accounts).map(wireAccount) };
  }
}

/** A word for each token or account, in order: "ok", "0", or a return code. */
function itemResults({ result }: Fields): Record<string, unknown> {
  return Array.isArray(result) ? { items: result.map((item) => String(item).slice(0, 64)) } : {};
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

/** Tokens and accounts above all, which the vendor's words must not repeat; three letters would spoil any word. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.length > 3 ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
