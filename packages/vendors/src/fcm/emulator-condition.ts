/** Topics that one condition may name. */
const maxTopics = 5;
/** Undocumented; far more than five topics need, and little enough for the descent below. */
const maxLength = 8_192;

const token = /\s*(?:(&&|\|\||!|\(|\))|'([a-zA-Z0-9-_.~%]+)'\s+in\s+topics\b)/y;

/**
 * Whether this is a condition: `'a' in topics && ('b' in topics || !('c' in topics))`.
 * @see Firebase, "Topic messaging"
 */
export function isConditionSound(condition: string): boolean {
  if (condition.length > maxLength) return false;
  const tokens = split(condition.trim());
  if (tokens === undefined) return false;
  let position = 0;
  const skip = (expected: string) => {
    if (tokens[position] !== expected) return false;
    position += 1;
    return true;
  };
  const isOne = (): boolean => {
    if (skip('!')) return isOne();
    if (skip('(')) return isMany() && skip(')');
    return skip('topic');
  };
  const isMany = (): boolean => {
    if (!isOne()) return false;
    while (skip('&&') || skip('||')) if (!isOne()) return false;
    return true;
  };
  const topics = tokens.filter((each) => each === 'topic').length;
  return topics <= maxTopics && isMany() && position === tokens.length;
}

/** Undefined where there is anything else in it. */
function split(condition: string): string[] | undefined {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < condition.length) {
    const found = token.exec(condition);
    if (found === null) return undefined;
    tokens.push(found[1] ?? 'topic');
  }
  return tokens;
}
