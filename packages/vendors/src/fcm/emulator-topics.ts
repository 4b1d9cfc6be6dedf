import type { PlannedAnswer } from '../emulator.ts';
import { type Answer, failure, invalidToken, ok, unregistered } from './emulator-errors.ts';
import { parseObject } from './emulator-json.ts';
import { isTokenSound, topicName } from './emulator-rules.ts';
import type { TokenState } from './emulator-tokens.ts';

/** Of one app on one device. */
const maxTopics = 2_000;
const maxTokensPerBatch = 1_000;

/** What becomes of one token in a batch: its word, or nothing when all is well. */
type Word =
  | 'NOT_FOUND'
  | 'INVALID_ARGUMENT'
  | 'TOO_MANY_TOPICS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'INTERNAL';

export interface TopicDeps {
  stateOf: (token: string) => TokenState;
  /** What is planned for the token. */
  planned: (token: string) => Word | undefined;
}

/**
 * Who listens to what. There are two ways to say so: the older one takes up to 1,000 tokens for one topic on a host of
 * its own, the newer one a token and a topic on the host of messages.
 */
export class Topics {
  readonly #topicsOf = new Map<string, Set<string>>();
  readonly #deps: TopicDeps;

  constructor(deps: TopicDeps) {
    this.#deps = deps;
  }

  has(token: string, topic: string): boolean {
    return this.#topicsOf.get(token)?.has(topic) ?? false;
  }

  /**
   * `POST /iid/v1:batchAdd` and `:batchRemove`.
   * @see firebase-admin-node, `src/messaging/messaging.ts`
   */
  batch(adds: boolean, body: Buffer): Answer {
    const parsed = parseObject(body);
    if ('fault' in parsed) return iidError(400, 'InvalidRequest');
    const { to, registration_tokens: tokens } = parsed.value;
    const topic = typeof to === 'string' ? to.replace(/^\/topics\//, '') : '';
    if (!topicName.test(topic) || topic === to) return iidError(400, 'InvalidTopicName');
    if (!Array.isArray(tokens) || tokens.length === 0) return iidError(400, 'MissingRegistrationTokens');
    if (tokens.length > maxTokensPerBatch) return iidError(400, 'TooManyRegistrationTokens');
    const results = tokens.map((token: unknown) => {
      const word = this.#judge(token) ?? this.#change(token as string, topic, adds);
      return word === undefined ? {} : { error: word };
    });
    return ok({ results });
  }

  /** `POST .../registrations/{token}/topicSubscriptions?topic_name=` */
  add(token: string, topic: string, name: string): Answer {
    if (!topicName.test(topic)) return invalidTopic;
    const had = this.has(token, topic);
    const word = this.#judge(token) ?? this.#change(token, topic, true);
    if (word !== undefined) return singleError(word);
    return had ? failure('ALREADY_EXISTS', 'Requested entity already exists') : ok({ name });
  }

  /** `DELETE .../registrations/{token}/topicSubscriptions/{topic}` */
  remove(token: string, topic: string, allowMissing: boolean): Answer {
    if (!topicName.test(topic)) return invalidTopic;
    const had = this.has(token, topic);
    const word = this.#judge(token) ?? this.#change(token, topic, false);
    if (word !== undefined) return singleError(word);
    return had || allowMissing ? ok({}) : failure('NOT_FOUND', 'Requested entity was not found.');
  }

  #judge(token: unknown): Word | undefined {
    if (typeof token !== 'string' || !isTokenSound(token)) return 'INVALID_ARGUMENT';
    const state = this.#deps.stateOf(token);
    if (state === 'unregistered') return 'NOT_FOUND';
    if (state === 'malformed') return 'INVALID_ARGUMENT';
    if (state === 'mismatched') return 'PERMISSION_DENIED';
    return this.#deps.planned(token);
  }

  #change(token: string, topic: string, adds: boolean): Word | undefined {
    const topics = this.#topicsOf.get(token) ?? new Set<string>();
    if (!adds) {
      topics.delete(topic);
      return undefined;
    }
    if (topics.size >= maxTopics && !topics.has(topic)) return 'TOO_MANY_TOPICS';
    this.#topicsOf.set(token, topics.add(topic));
    return undefined;
  }
}

const invalidTopic = failure('INVALID_ARGUMENT', 'Invalid topic name provided.');

/** What is planned for a token, in the words of this host; trouble on the wire is for messages alone. */
export function wordFor(answer: PlannedAnswer): Word | undefined {
  return words[answer];
}

const words: Partial<Record<PlannedAnswer, Word>> = {
  'token-dead': 'NOT_FOUND',
  rejected: 'TOO_MANY_TOPICS',
  misconfigured: 'PERMISSION_DENIED',
  throttled: 'RESOURCE_EXHAUSTED',
  unavailable: 'INTERNAL',
};

/** The older host tells one word, and no status but HTTP's. */
export function iidError(status: 400 | 401 | 403 | 500, error: string): Answer {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return { status, headers, body: JSON.stringify({ error }), code: error };
}

function singleError(word: Word): Answer {
  switch (word) {
    case 'NOT_FOUND':
      return unregistered;
    case 'INVALID_ARGUMENT':
      return invalidToken;
    case 'TOO_MANY_TOPICS':
      return failure('RESOURCE_EXHAUSTED', 'Too many topics.', [], { code: word });
    default:
      return failure(word, 'The request failed.');
  }
}
