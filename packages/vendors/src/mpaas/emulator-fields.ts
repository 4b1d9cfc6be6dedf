/** A call as both interfaces mean it, names brought together. */
export interface EmulatedCall {
  byTemplate: boolean;
  appId: unknown;
  workspaceId: unknown;
  taskName: unknown;
  title: unknown;
  content: unknown;
  templateName: unknown;
  templateValues: unknown;
  deliveryType: unknown;
  expiredSeconds: unknown;
  /** Target -> msgKey. */
  targets: unknown;
  extendedParams: unknown;
}

export interface FieldRefusal {
  code: string;
  name: string;
}

/** Templates that the emulated console holds, with the placeholders that each needs. */
const templates = new Map<string, readonly string[]>([
  ['pushmill_plain', []],
  ['pushmill_code', ['code']],
]);

const deliveryTypes = new Set([1, 2, 3, 5, 6, 7]);
const longestSeconds = 7 * 24 * 3600;

const refusals = {
  3003: 'NEED_APPID_WORKSPACEID',
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
  3035: 'EXTEND_PARAM_TO_MUCH',
  3044: 'INVALID_EXTEND_PARAM',
  3050: 'MSG_PAYLOAD_TOO_LONG',
} as const;

function refuse(code: keyof typeof refusals): FieldRefusal {
  return { code: String(code), name: refusals[code] };
}

/** The fields of an OpenAPI call, whose objects arrive as JSON text. Text that is no JSON stays text. */
export function fromParams(action: string, params: ReadonlyMap<string, string>): EmulatedCall {
  const parsed = (name: string): unknown => {
    const text = params.get(name);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  const number = (name: string): unknown => {
    const text = params.get(name);
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : text;
  };
  return {
    byTemplate: action === 'PushTemplate',
    appId: params.get('AppId'),
    workspaceId: params.get('WorkspaceId'),
    taskName: params.get('TaskName'),
    title: params.get('Title'),
    content: params.get('Content'),
    templateName: params.get('TemplateName'),
    templateValues: parsed('TemplateKeyValue'),
    deliveryType: number('DeliveryType'),
    expiredSeconds: number('ExpiredSeconds'),
    targets: parsed('TargetMsgkey'),
    extendedParams: parsed('ExtendedParams'),
  };
}

/** The fields of a rest call; app and workspace are those of the path. */
export function fromRestBody(
  method: string,
  appId: string,
  workspaceId: string,
  body: Readonly<Record<string, unknown>>,
): EmulatedCall {
  return {
    byTemplate: method === 'pushtemplate',
    appId,
    workspaceId,
    taskName: body.taskName,
    title: body.title,
    content: body.content,
    templateName: body.templateName,
    templateValues: body.templatekv,
    deliveryType: body.deliveryType,
    expiredSeconds: body.expiredSeconds,
    targets: body.target_msgkey,
    extendedParams: body.extended_params,
  };
}

/** What MPS finds wrong with the fields, asked in the order of its result codes. */
export function checkFields(call: EmulatedCall): FieldRefusal | undefined {
  if (!isText(call.appId) || !isText(call.workspaceId)) return refuse(3003);
  if (!deliveryTypes.has(call.deliveryType as number)) return refuse(3009);
  if (!isText(call.taskName)) return refuse(3019);
  if (!Number.isInteger(call.expiredSeconds) || (call.expiredSeconds as number) < 1) return refuse(3020);
  const targets = isMap(call.targets) ? Object.entries(call.targets) : [];
  if (targets.length === 0) return refuse(3021);
  if (call.byTemplate) {
    if (!isText(call.templateName)) return refuse(3025);
    const placeholders = templates.get(call.templateName);
    if (placeholders === undefined) return refuse(3022);
    const values = isMap(call.templateValues) ? call.templateValues : {};
    if (placeholders.some((placeholder) => !isText(values[placeholder]))) return refuse(3023);
  } else if (!isText(call.title) || !isText(call.content)) return refuse(3024);
  if ((call.expiredSeconds as number) > longestSeconds) return refuse(3026);
  if (targets.some(([target, msgKey]) => target === '' || !isText(msgKey))) return refuse(3028);
  if (targets.length > 10) return refuse(3029);
  if (call.extendedParams !== undefined) {
    if (!isMap(call.extendedParams)) return refuse(3044);
    if (Object.keys(call.extendedParams).length > 20) return refuse(3035);
  }
  const text = JSON.stringify([call.title, call.content, call.extendedParams]);
  if (Buffer.byteLength(text) > 4096) return refuse(3050);
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
