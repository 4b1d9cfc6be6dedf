import { type Fields, isMap, isTextList } from './emulator-values.ts';

/*
 * Who is meant by tags, written from the page on `tag_list` and `tag_rules` (cloud.tencent.com 548/39064).
 */

export type TagTest = (tags: ReadonlySet<string>) => boolean;

const types = new Set([
  'xg_user_define',
  'xg_auto_version',
  'xg_auto_province',
  'xg_auto_active',
  'xg_auto_sdkversion',
  'xg_auto_systemlanguage',
  'xg_auto_devicebrand',
  'xg_auto_deviceversion',
  'xg_auto_country',
]);
const maxTagChars = 50;
const maxListChars = 512;

/** @returns the test, or undefined when the fields are malformed; rules win over a list */
export function readTagTest({ tag_rules: rules, tag_list: list }: Fields): TagTest | undefined {
  if (rules !== undefined) return readRow(rules, 'operator', readRule);
  if (!isMap(list) || JSON.stringify(list).length > maxListChars) return undefined;
  const { tags, op } = list;
  if (!isTextList(tags, 100, maxTagChars) || !isOperator(op)) return undefined;
  return (owned) => (op === 'AND' ? tags.every((tag) => owned.has(tag)) : tags.some((tag) => owned.has(tag)));
}

function readRule(rule: Fields): TagTest | undefined {
  return negated(readRow(rule.tag_items, 'items_operator', readItem), rule.is_not);
}

function readItem(item: Fields): TagTest | undefined {
  const { tags, tags_operator: operator, tag_type: type } = item;
  if (!isTextList(tags, 100, maxTagChars) || !types.has(String(type))) return undefined;
  if (tags.length > 1 && !isOperator(operator)) return undefined;
  // No device here has a version, a brand or a province.
  const has = (owned: ReadonlySet<string>, tag: string) => type === 'xg_user_define' && owned.has(tag);
  return negated(
    (owned) =>
      operator === 'AND' ? tags.every((tag) => has(owned, tag)) : tags.some((tag) => has(owned, tag)),
    item.is_not,
  );
}

/** Terms with an operator before each but the first, whose own is ignored; AND binds tighter than OR. */
function readRow(
  row: unknown,
  operatorName: string,
  readTerm: (term: Fields) => TagTest | undefined,
): TagTest | undefined {
  if (!Array.isArray(row) || row.length === 0) return undefined;
  /** OR of these, each an AND. */
  const groups: TagTest[][] = [];
  for (const [index, term] of row.entries()) {
    const test = isMap(term) ? readTerm(term) : undefined;
    if (test === undefined) return undefined;
    const operator = term[operatorName];
    if (index > 0 && !isOperator(operator)) return undefined;
    if (index > 0 && operator === 'AND') groups.at(-1)?.push(test);
    else groups.push([test]);
  }
  return (owned) => groups.some((group) => group.every((test) => test(owned)));
}

function negated(test: TagTest | undefined, isNot: unknown): TagTest | undefined {
  if (test === undefined || (isNot !== undefined && typeof isNot !== 'boolean')) return undefined;
  return isNot === true ? (owned) => !test(owned) : test;
}

function isOperator(value: unknown): value is 'AND' | 'OR' {
  return value === 'AND' || value === 'OR';
}
