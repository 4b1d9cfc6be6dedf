/** A push as both interfaces mean it, names brought together. What came is not yet known to be of the right form. */
export interface EmulatedCall {
  kind: 'simple' | 'template' | 'multiple' | 'broadcast';
  appId: unknown;
  workspaceId: unknown;
  taskName: unknown;
  title: unknown;
  content: unknown;
  templateName: unknown;
  templateValues: unknown;
  deliveryType: unknown;
  expiredSeconds: unknown;
  extendedParams: unknown;
  targets: readonly EmulatedTarget[];
  /** Of a broadcast. */
  msgKey: unknown;
  pushStatus: unknown;
  bindPeriod: unknown;
  unbindPeriod: unknown;
  androidChannel: unknown;
  strategyType: unknown;
  strategy: unknown;
}

export interface EmulatedTarget {
  target: unknown;
  msgKey: unknown;
  /** Of a batch, where each has its own. */
  values?: unknown;
  extendedParams?: unknown;
}

export interface FieldRefusal {
  code: string;
  name: string;
}

const deliveryTypes = new Set([1, 2, 3, 5, 6, 7]);
const deliveryTypesOfBatches = new Set([1, 2, 3, 7]);
const deliveryTypesOfBroadcasts = new Set([1, 2, 7]);
const longestSeconds = 7 * 24 * 3600;

const refusals = {
  3003: 'NEED_APPID_WORKSPACEID',
  3007: 'APPID_WRONG',
  3009: 'DELIVERY_TYPE_NOT_SUPPORTED',
  3019: 'TASKNAME_NULL',
  3020: 'EXPIREDSECONDS_WRONG',
  3021: 'TOKEN_OR_USERID_NULL',
  3022: 'TEMPLATE_NOT_EXIST',
  3023: 'TEMPLATEKV_NOT_ENOUGH',
  3024: 'PAYLOAD_NOT_ENOUGH',
  3025: 'NEED_TEMPLATE',
  3026: 'EXPIREDTIME_TOO_LONG',
  3028: 'INVALID_PARAM',
  3029: 'SINGLE_PUSH_TARGET_TOO_MUCH',
  3030: 'BROADCAST_ONLY_SUPPORT_BY_DEVICE',
  3035: 'EXTEND_PARAM_TO_MUCH',
  3036: 'TEMPLATE_ALREADY_EXIST',
  3044: 'INVALID_EXTEND_PARAM',
  3049: 'MULTIPLE_INNER_EXTEND_PARAM_TO_MUCH',
  3050: 'MSG_PAYLOAD_TOO_LONG',
} as const;

export function refuse(code: keyof typeof refusals): FieldRefusal {
  return { code: String(code), name: refusals[code] };
}

const kinds = new Map<string, EmulatedCall['kind']>([
  ['pushsimple', 'simple'],
  ['pushtemplate', 'template'],
  ['pushmultiple', 'multiple'],
  ['pushbroadcast', 'broadcast'],
]);

/** The push that a method of the rest interface, or an action of the OpenAPI, asks for. */
export function kindOfPush(name: string): EmulatedCall['kind'] | undefined {
  return kinds.get(name);
}

/** JSON text, or the text itself where it is none. */
export function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The fields of an OpenAPI push, whose objects arrive as JSON text and whose lists are flattened. */
export function fromParams(kind: EmulatedCall['kind'], params: ReadonlyMap<string, string>): EmulatedCall {
  const number = (name: string): unknown => {
    const text = params.get(name);
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : text;
  };
  return {
    kind,
    appId: params.get('AppId'),
    workspaceId: params.get('WorkspaceId'),
    taskName: params.get('TaskName'),
    title: params.get('Title'),
    content: params.get('Content'),
    templateName: params.get('TemplateName'),
    templateValues: parsed(params.get('TemplateKeyValue')),
    deliveryType: number('DeliveryType'),
    expiredSeconds: number('ExpiredSeconds'),
    extendedParams: parsed(params.get('ExtendedParams')),
    targets: kind === 'multiple' ? listedTargets(params) : mappedTargets(parsed(params.get('TargetMsgkey'))),
    msgKey: params.get('Msgkey'),
    pushStatus: number('PushStatus'),
    bindPeriod: number('BindPeriod'),
    unbindPeriod: number('UnBindPeriod'),
    androidChannel: number('AndroidChannel'),
    strategyType: number('StrategyType'),
    strategy: parsed(params.get('StrategyContent')),
  };
}

function listedTargets(params: ReadonlyMap<string, string>): EmulatedTarget[] {
  const targets: EmulatedTarget[] = [];
  for (let n = 1; params.has(`TargetMsg.${n}.Target`); n += 1) {
    targets.push({
      target: params.get(`TargetMsg.${n}.Target`),
      msgKey: params.get(`TargetMsg.${n}.MsgKey`),
      values: parsed(params.get(`TargetMsg.${n}.TemplateKeyValue`)),
      extendedParams: parsed(params.get(`TargetMsg.${n}.ExtendedParams`)),
    });
  }
  return targets;
}

function mappedTargets(map: unknown): EmulatedTarget[] {
  return isMap(map) ? Object.entries(map).map(([target, msgKey]) => ({ target, msgKey })) : [];
}

/** The fields of a rest call; app and workspace are those of the path. */
export function fromRestBody(
  kind: EmulatedCall['kind'],
  appId: string,
  workspaceId: string,
  body: Readonly<Record<string, unknown>>,
): EmulatedCall {
  const infos = isMap(body.target_msginfo) ? Object.entries(body.target_msginfo) : [];
  return {
    kind,
    appId,
    workspaceId,
    taskName: body.taskName,
    title: body.title,
    content: body.content,
    templateName: body.templateName,
    templateValues: body.templatekv,
    deliveryType: body.deliveryType,
    expiredSeconds: body.expiredSeconds,
    extendedParams: body.extended_params,
    targets:
      kind === 'multiple'
        ? infos.map(([target, info]) => ({
            target,
            msgKey: isMap(info) ? info.msgkey : undefined,
            values: isMap(info) ? info.templatekv : undefined,
          }))
        : mappedTargets(body.target_msgkey),
    msgKey: body.msgkey,
    // This interface has no word for whom a broadcast is to: everybody who is bound.
    pushStatus: undefined,
    bindPeriod: 4,
    unbindPeriod: undefined,
    androidChannel: undefined,
    strategyType: undefined,
    strategy: undefined,
  };
}

/**
 * What MPS finds wrong with the fields of an app of its own, asked in the order of its result codes.
 * @param templates  of that app, with the placeholders that each needs
 */
export function checkFields(
  call: EmulatedCall,
  templates: ReadonlyMap<string, readonly string[]>,
): FieldRefusal | undefined {
  const isBroadcast = call.kind === 'broadcast';
  const allowed = call.kind === 'multiple' ? deliveryTypesOfBatches : deliveryTypes;
  if (!allowed.has(call.deliveryType as number)) return refuse(3009);
  if (!isText(call.taskName)) return refuse(3019);
  if (!Number.isInteger(call.expiredSeconds) || (call.expiredSeconds as number) < 1) return refuse(3020);
  if (!isBroadcast && call.targets.length === 0) return refuse(3021);
  if (call.kind === 'simple') {
    if (!isText(call.title) || !isText(call.content)) return refuse(3024);
  } else {
    const refusal = checkTemplate(call, templates);
    if (refusal !== undefined) return refusal;
  }
  if ((call.expiredSeconds as number) > longestSeconds) return refuse(3026);
  if (isBroadcast) {
    const refusal = checkBroadcast(call);
    if (refusal !== undefined) return refusal;
  }
  if (call.targets.some(({ target, msgKey }) => !isText(target) || !isText(msgKey))) return refuse(3028);
  if (call.targets.length > (call.kind === 'multiple' ? 100 : 10)) return refuse(3029);
  const shared = checkExtended(call.extendedParams, 20, 3035);
  if (shared !== undefined) return shared;
  for (const { extendedParams } of call.targets) {
    const own = checkExtended(extendedParams, 9, 3049);
    if (own !== undefined) return own;
  }
  const text = JSON.stringify([call.title, call.content, call.extendedParams]);
  return Buffer.byteLength(text) > 4096 ? refuse(3050) : undefined;
}

function checkTemplate(
  call: EmulatedCall,
  templates: ReadonlyMap<string, readonly string[]>,
): FieldRefusal | undefined {
  if (!isText(call.templateName)) return refuse(3025);
  const placeholders = templates.get(call.templateName);
  if (placeholders === undefined) return refuse(3022);
  const given =
    call.kind === 'multiple' ? call.targets.map((target) => target.values) : [call.templateValues];
  const isEnough = (values: unknown) =>
    placeholders.every((placeholder) => isMap(values) && isText(values[placeholder]));
  return placeholders.length > 0 && !given.every(isEnough) ? refuse(3023) : undefined;
}

function checkBroadcast(call: EmulatedCall): FieldRefusal | undefined {
  const status = call.pushStatus ?? 0;
  const isPeriod = (value: unknown) => [1, 2, 3, 4].includes(value as number);
  const periodFits = status === 0 ? isPeriod(call.bindPeriod) : isPeriod(call.unbindPeriod);
  const channelFits = call.androidChannel === undefined || [1, 2].includes(call.androidChannel as number);
  if (!isText(call.msgKey) || ![0, 1, 2].includes(status as number)) return refuse(3028);
  if (!periodFits || !channelFits || !strategyFits(call)) return refuse(3028);
  return deliveryTypesOfBroadcasts.has(call.deliveryType as number) ? undefined : refuse(3030);
}

function strategyFits({ strategyType = 0, strategy }: EmulatedCall): boolean {
  if (strategyType === 0) return true;
  if (!isMap(strategy)) return false;
  const isTime = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
  if (strategyType === 1) return isTime(strategy.fixedTime);
  const { startTime, endTime, circleType, time } = strategy;
  return strategyType === 2 && isTime(startTime) && isTime(endTime) && isTime(circleType) && isText(time);
}

function checkExtended(
  params: unknown,
  most: number,
  tooMany: keyof typeof refusals,
): FieldRefusal | undefined {
  if (params === undefined) return undefined;
  if (!isMap(params)) return refuse(3044);
  return Object.keys(params).length > most ? refuse(tooMany) : undefined;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
