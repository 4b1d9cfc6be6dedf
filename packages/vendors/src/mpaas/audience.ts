import type { FieldProblem, MessageContent } from '@pushmill/core';
import { type Static, Type } from 'typebox';
import type { Audience, VendorAudiences } from '../vendor.ts';
import { draft } from './draft.ts';
import type { MpaasSettings } from './settings.ts';

const oneOf = <T extends number>(values: readonly T[], description: string) =>
  Type.Optional(
    Type.Union(
      values.map((value) => Type.Literal(value)),
      { description },
    ),
  );

const period = (whose: string) =>
  oneOf([1, 2, 3, 4], `${whose} within 1: 7 days, 2: 15 days, 3: 60 days, 4: ever (default)`);

const moment = Type.Integer({ minimum: 0, description: 'Milliseconds since the epoch' });

/** When MPS, and not pushmill, waits. What the numbers of circleType stand for was found nowhere. */
const strategy = Type.Union([
  Type.Object({ type: Type.Literal(1), fixedTime: moment }, { additionalProperties: false }),
  Type.Object(
    {
      type: Type.Literal(2),
      startTime: moment,
      endTime: moment,
      circleType: Type.Integer({ minimum: 0, maximum: 9 }),
      circleValue: Type.Optional(Type.Array(Type.Integer({ minimum: 0, maximum: 366 }), { maxItems: 366 })),
      time: Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d$' }),
    },
    { additionalProperties: false },
  ),
]);

const broadcast = Type.Object(
  {
    kind: Type.Literal('broadcast'),
    deliveryType: oneOf([1, 2, 7], 'Whose devices: 1 Android, 2 iOS, 7 HarmonyOS; default as for tokens'),
    pushStatus: oneOf([0, 1, 2], '0 devices with a bound user (default), 1 all, 2 with an unbound one'),
    bindPeriod: period('Bound'),
    unbindPeriod: period('Unbound'),
    androidChannel: oneOf([1, 2], '1 the self-built channel, 2 the default'),
    strategy: Type.Optional(strategy),
  },
  { additionalProperties: false },
);

export type Broadcast = Static<typeof broadcast>;

/** The rest interface has no key for these. */
const openApiOnly = ['pushStatus', 'bindPeriod', 'unbindPeriod', 'androidChannel', 'strategy'] as const;

/** A broadcast is by template: that of the message, with the values for all. */
export const audiences: VendorAudiences<MpaasSettings> = {
  schema: broadcast,
  check(audience: Audience, content: MessageContent, settings: MpaasSettings): FieldProblem[] {
    const problems: FieldProblem[] = [];
    const refuse = (pointer: string, code: string, detail: string) =>
      problems.push({ pointer, code, detail });
    const wanted = audience as Broadcast;
    const { overrides, deliveryType } = draft(content, settings, '');
    const system = wanted.deliveryType ?? deliveryType;
    if (![1, 2, 7].includes(system)) {
      refuse('/deliveryType', 'required', 'mPaaS broadcasts to devices: say deliveryType 1, 2 or 7.');
    }
    if (overrides.templateName === undefined) {
      refuse('/vendor/mpaas/templateName', 'required', 'mPaaS broadcasts by template only.');
    }
    const status: number = wanted.pushStatus ?? 0;
    if (status === 2 && wanted.bindPeriod !== undefined) {
      refuse('/bindPeriod', 'excluded', 'pushStatus 2 means devices whose user is unbound.');
    }
    if (status === 0 && wanted.unbindPeriod !== undefined) {
      refuse('/unbindPeriod', 'excluded', 'pushStatus 0 means devices whose user is bound.');
    }
    if (wanted.androidChannel !== undefined && system !== 1) {
      refuse('/androidChannel', 'excluded', 'Only a broadcast to Android has a choice of channels.');
    }
    if (wanted.strategy?.type === 2 && wanted.strategy.endTime <= wanted.strategy.startTime) {
      refuse('/strategy/endTime', 'invalid', 'The end is not after the start.');
    }
    for (const field of settings.interface === 'rest' ? openApiOnly : []) {
      if (wanted[field] === undefined) continue;
      refuse(`/${field}`, 'unsupported', `The rest interface of this channel has no ${field}.`);
    }
    return problems;
  },
};
