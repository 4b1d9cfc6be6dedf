import type { FieldProblem, Outcome } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import type { OutgoingPush } from '../vendor.ts';
import { holdsHalfCharacter } from './content.ts';
import { type Api, apiOf, type BaiduSettings } from './settings.ts';

const sendTime = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 99_999_999_999,
    description:
      'Unix seconds. Baidu keeps the message until then: at least 61 s ahead, a year at most (3.0) or 3 days (SPP)',
  }),
);
const closed = { additionalProperties: false };

/** Devices that Baidu finds itself. */
export const audienceSchema = Type.Union([
  Type.Object({ kind: Type.Literal('all'), sendTime }, { ...closed, description: 'Every device of the app' }),
  Type.Object(
    { kind: Type.Literal('tag'), tag: Type.String({ minLength: 1, maxLength: 128 }), sendTime },
    { ...closed, description: 'Every device with a tag' },
  ),
  Type.Object(
    {
      kind: Type.Literal('selector'),
      selector: Type.Union([
        Type.String({ minLength: 1, maxLength: 4_096 }),
        Type.Array(Type.Unknown(), { minItems: 1, maxItems: 100 }),
        Type.Record(Type.String(), Type.Unknown()),
      ]),
      sendTime,
    },
    {
      ...closed,
      description:
        'A combination of tags, handed on as it is: selector of 3.0 (text or JSON), condition of SPP',
    },
  ),
  Type.Object(
    {
      kind: Type.Literal('cuids'),
      cuids: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 1_000 }),
      sendTime,
    },
    { ...closed, description: "SPP: devices by Baidu's own device id" },
  ),
]);

export type BaiduAudience = Static<typeof audienceSchema>;

const kindsOf: Readonly<Record<Api, readonly BaiduAudience['kind'][]>> = {
  'rest-3.0': ['all', 'tag', 'selector'],
  'channel-2.0': ['all', 'tag'],
  spp: ['all', 'tag', 'selector', 'cuids'],
};

const leastSecondsAhead = 61;
const mostSecondsAhead: Readonly<Record<Api, number>> = {
  'rest-3.0': 365 * 86_400,
  'channel-2.0': 0,
  spp: 3 * 86_400,
};

/**
 * What the schema cannot say.
 * @param now  milliseconds since the epoch
 */
export function checkAudience(
  audience: BaiduAudience,
  settings: Pick<BaiduSettings, 'api'>,
  now: number,
): FieldProblem[] {
  const api = apiOf(settings);
  if (!kindsOf[api].includes(audience.kind)) {
    const offered = kindsOf[api].join(', ');
    return [
      { pointer: '/kind', code: 'unsupported', detail: `The api ${api} of this channel has ${offered}.` },
    ];
  }
  const problems: FieldProblem[] = [];
  const refuse = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail });
  if (audience.sendTime !== undefined) {
    const ahead = audience.sendTime - now / 1000;
    if (mostSecondsAhead[api] === 0) {
      refuse('/sendTime', 'unsupported', `The api ${api} has no timer.`);
    } else if (ahead < leastSecondsAhead || ahead > mostSecondsAhead[api]) {
      refuse(
        '/sendTime',
        'out-of-range',
        `Baidu wants at least ${leastSecondsAhead} seconds from now, and ${mostSecondsAhead[api] / 86_400} days at most.`,
      );
    }
  }
  if (audience.kind === 'selector' && api === 'spp' && !Array.isArray(audience.selector)) {
    refuse('/selector', 'form', 'A condition of SPP is a list of objects {key, values, operate}.');
  }
  if (holdsHalfCharacter(audience)) {
    refuse('', 'lone-surrogate', 'The audience holds half of a surrogate pair.');
  }
  return problems;
}

/**
 * When Baidu is to send, in unix seconds. Undefined for now, and when the time has come too near for a timer
 * while the push waited here: a minute early is better than never.
 */
export function sendTimeOf({ sendTime }: BaiduAudience, now: number): number | undefined {
  return sendTime !== undefined && sendTime - now / 1000 >= leastSecondsAhead ? sendTime : undefined;
}

/** A push whose life ends before its timer would fire can reach nobody. */
export function missesItsTime(push: OutgoingPush, audience: BaiduAudience): Outcome | undefined {
  if (audience.sendTime === undefined || audience.sendTime * 1000 < push.message.expiresAt) return undefined;
  return {
    kind: 'rejected',
    code: 'expires-before-send-time',
    detail: 'The message expires before the sendTime of its audience.',
  };
}

/** No page that was seen tells the form of a selector: a text goes as it is, anything else as JSON. */
export function selectorText({ selector }: Extract<BaiduAudience, { kind: 'selector' }>): string {
  return typeof selector === 'string' ? selector : JSON.stringify(selector);
}
