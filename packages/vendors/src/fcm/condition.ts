/** Google's bound (likely). */
const maxTopics = 5;

const token = /\s*(?:(&&|\|\||!|\(|\)|in\b|topics\b)|'([a-zA-Z0-9_.~%-]+)'|"([a-zA-Z0-9_.~%-]+)")/y;

/**
 * What is wrong with a condition, in a sentence: `'a' in topics && !('b' in topics || 'c' in topics)`.
 * @see  Firebase, "Send messages to topics", "Send messages to topic conditions"
 */
export function conditionFault(condition: string): string | undefined {
  const words = wordsOf(condition);
  if (words === undefined) {
    return "A condition is made of terms like 'news' in topics, joined by &&, || and !, with parentheses.";
  }
  const topics = words.filter((word) => word === topic).length;
  if (topics > maxTopics) return `A condition names at most ${maxTopics} topics, this one ${topics}.`;
  const end = readAlternatives(words, 0);
  if (end === words.length) return undefined;
  return 'The condition does not add up: a term, an operator or a parenthesis is missing.';
}

const topic = 'topic';

function wordsOf(condition: string): string[] | undefined {
  const text = condition.trim();
  const words: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (match === null) return undefined;
    words.push(match[1] ?? topic);
  }
  return words;
}

/*
 * Each reader gives the place behind what it read, or -1. Google does not say how && and || bind; either way the
 * same texts are conditions.
 */

function readAlternatives(words: readonly string[], from: number): number {
  let at = readTerm(words, from);
  while (at !== -1 && (words[at] === '&&' || words[at] === '||')) at = readTerm(words, at + 1);
  return at;
}

function readTerm(words: readonly string[], from: number): number {
  switch (words[from]) {
    case '!':
      return readTerm(words, from + 1);
    case '(': {
      const at = readAlternatives(words, from + 1);
      return at !== -1 && words[at] === ')' ? at + 1 : -1;
    }
    case topic:
      return words[from + 1] === 'in' && words[from + 2] === 'topics' ? from + 3 : -1;
    default:
      return -1;
  }
}
