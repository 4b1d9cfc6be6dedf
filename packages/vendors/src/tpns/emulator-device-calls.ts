import { accountKey, type DeviceBook } from './emulator-devices.ts';
import { type Fields, isIntegerIn, isMap, isTextList, type Refusal, tokenForm } from './emulator-values.ts';

/** @returns what the answer holds beside its code, or the refusal */
type Answer = Record<string, unknown> | Refusal;

const missing = (name: string): Refusal => ({ code: 1008002, words: `${name} is required` });
const invalid = (name: string): Refusal => ({ code: 1008007, words: `${name} is invalid` });
const badToken: Refusal = { code: 1008006, words: 'invalid token' };
const maxTokenChars = 36;
const maxTagChars = 50;

/**
 * `/v3/device/tag`
 * @see  intl 1024/33766: of 1 to 6 the first token counts, of 1, 2, 7 and 8 the first tag
 */
export function answerTagCall(fields: Fields, devices: DeviceBook): Answer {
  const { operator_type: type, token_list: tokens, tag_list: tags, tag_token_list: pairs } = fields;
  if (type === undefined) return missing('operator_type');
  if (!isIntegerIn(type, 1, 10)) return invalid('operator_type');
  const done = { result: '[]' };
  if (type >= 9) {
    if (pairs === undefined) return missing('tag_token_list');
    if (!Array.isArray(pairs) || pairs.length === 0 || pairs.length > 20) return invalid('tag_token_list');
    for (const pair of pairs) {
      if (!isMap(pair) || !isTextList([pair.tag], 1, maxTagChars)) return invalid('tag_token_list');
      if (!tokenForm.test(String(pair.token))) return badToken;
    }
    for (const { token, tag } of pairs as { token: string; tag: string }[]) {
      if (type === 10) devices.removeTags(token, [tag]);
      else if (!devices.addTags(token, [tag])) return invalid('tag_token_list');
    }
    return done;
  }
  if (tokens === undefined) return missing('token_list');
  if (!isTextList(tokens, 500, maxTokenChars)) return invalid('token_list');
  if (!tokens.every((token) => tokenForm.test(token))) return badToken;
  const [first = ''] = tokens;
  if (type === 5) {
    devices.removeTags(first, devices.tagsOf(first));
    return done;
  }
  if (tags === undefined) return missing('tag_list');
  if (!isTextList(tags, 500, maxTagChars)) return invalid('tag_list');
  const used = [1, 2, 7, 8].includes(type) ? tags.slice(0, 1) : tags;
  if (type === 6) devices.removeTags(first, replaced(devices.tagsOf(first), tags));
  for (const token of type >= 7 ? tokens : [first]) {
    if ([2, 4, 8].includes(type)) devices.removeTags(token, used);
    else if (!devices.addTags(token, used)) return invalid('tag_list');
  }
  return done;
}

/** Overwriting takes all tags away, or, where every new one has a category before a colon, those of these categories. */
function replaced(owned: ReadonlySet<string>, tags: readonly string[]): string[] {
  const categoryOf = (tag: string) => (tag.includes(':') ? tag.slice(0, tag.indexOf(':') + 1) : undefined);
  const categories = tags.map(categoryOf);
  if (categories.includes(undefined)) return [...owned];
  return [...owned].filter((tag) => categories.includes(categoryOf(tag)));
}

/** `/v3/device/tag/delete_all_device` */
export function answerTagRemoval({ tag_list: tags }: Fields, devices: DeviceBook): Answer {
  if (tags === undefined) return missing('tag_list');
  if (!isTextList(tags, 500, maxTagChars)) return invalid('tag_list');
  for (const tag of tags) devices.deleteTag(tag);
  return {};
}

/**
 * `/v3/device/account/batchoperate`, which the vendor does later and this emulator at once. A token that is none
 * fails alone, and the answer says which did.
 * @see  intl 1024/33770 and its codes 1008026, 1008027
 */
export function answerAccountCall(fields: Fields, devices: DeviceBook): Answer {
  const {
    operator_type: type,
    token_accounts: bindings,
    token_list: tokens,
    account_list: accounts,
  } = fields;
  if (type === undefined) return missing('operator_type');
  if (!isIntegerIn(type, 1, 5)) return invalid('operator_type');
  if (type === 5) {
    if (accounts === undefined) return missing('account_list');
    const keys = readAccounts(accounts);
    if (keys === undefined) return invalid('account_list');
    return perItem(
      keys,
      () => true,
      (key) => devices.forget(key),
    );
  }
  if (type === 4) {
    if (tokens === undefined) return missing('token_list');
    if (!isTextList(tokens, 500, maxTokenChars)) return invalid('token_list');
    return perItem(
      tokens,
      (token) => tokenForm.test(token),
      (token) => devices.unbindAll(token),
    );
  }
  if (bindings === undefined) return missing('token_accounts');
  if (!Array.isArray(bindings) || bindings.length === 0 || bindings.length > 20)
    return invalid('token_accounts');
  const read = bindings.map((binding) => ({
    token: isMap(binding) ? String(binding.token) : '',
    keys: isMap(binding) ? readAccounts(binding.account_list) : undefined,
  }));
  if (read.some(({ keys }) => keys === undefined)) return invalid('token_accounts');
  return perItem(
    read,
    ({ token }) => tokenForm.test(token),
    ({ token, keys = [] }) => {
      // 1, which added, is retired and overwrites.
      if (type === 3) devices.unbind(token, keys);
      else devices.bind(token, keys);
    },
  );
}

function readAccounts(list: unknown): string[] | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const isSound = list.every(
    (item) => isMap(item) && typeof item.account === 'string' && item.account.length > 1,
  );
  return isSound ? list.map((item) => accountKey(item.account, item.account_type)) : undefined;
}

function perItem<Item>(
  items: readonly Item[],
  isGood: (item: Item) => boolean,
  run: (item: Item) => void,
): Answer {
  const verdicts = items.map(isGood);
  for (const [index, item] of items.entries()) if (verdicts[index]) run(item);
  if (verdicts.every(Boolean)) return { result: items.map(() => 'ok') };
  const result = verdicts.map((good) => (good ? '0' : '1008006'));
  const code = verdicts.some(Boolean) ? 1008026 : 1008027;
  return {
    code,
    words: code === 1008026 ? 'batch operation failed in part' : 'batch operation failed',
    result,
  };
}
