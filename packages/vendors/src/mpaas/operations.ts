import { Type } from 'typebox';
import type { OperationAnswer, VendorOperation } from '../vendor.ts';
import { objectOf } from './answer.ts';
import { type OpenApiCall, openApiParams, proofCall } from './payload.ts';
import type { MpaasSettings } from './settings.ts';
import type { Transport } from './transport.ts';

type Input = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, unknown>>;

interface Operation extends VendorOperation {
  /** The OpenAPI's action, and its parameters by their names there. */
  action: string;
  params(input: Input): Record<string, unknown>;
  /** What of an answer that says yes is handed on. */
  result?(body: Fields): Fields;
  /** Tokens in the input. */
  targets?(input: Input): string[];
}

const closed = { additionalProperties: false };
const text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, ...(description === undefined ? {} : { description }) });
const moment = (description: string) => Type.Integer({ minimum: 0, description });
/** Ids travel in a list that is separated by commas. */
const id = Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9._-]+$' });
const urls = Type.Record(text(64), text(1_024));

/**
 * Names of the OpenAPI's version 2020-10-28, as its SDKs have them.
 * @see  help.aliyun.com 2871130 (revoke), 2871132 (schedules), 2882067 (templates), 2926886 (devices)
 */
const byOpenApi: Readonly<Record<string, Operation>> = {
  'revoke-message': {
    summary: 'Take back a push of the last seven days that was sent to a target',
    input: Type.Object({ pushId: text(64, '<messageId>.<n>'), target: text(512) }, closed),
    action: 'RevokePushMessage',
    params: ({ pushId, target }) => ({ MessageId: pushId, TargetId: target }),
    targets: ({ target }) => [target as string],
  },
  'revoke-task': {
    summary: 'Take back a batch or a broadcast of the last seven days',
    input: Type.Object({ taskId: id }, { ...closed, description: 'The vendorMessageId of its pushes' }),
    action: 'RevokePushTask',
    params: ({ taskId }) => ({ TaskId: taskId }),
  },
  'device-state': {
    summary: 'Ask how a device, or the device of a user, is known and whether it is connected',
    input: Type.Object(
      { target: text(512), targetType: Type.Union([Type.Literal('device'), Type.Literal('user')]) },
      closed,
    ),
    action: 'PushQueryDeviceState',
    params: ({ target, targetType }) => ({ Target: target, TargetType: targetType === 'device' ? 1 : 2 }),
    targets: ({ target }) => [target as string],
    result(body) {
      const data = objectOf(body.Data) ?? {};
      // Its tokens stay where they are: the answer is kept and read by many.
      return {
        platform: data.Platform,
        manufacturer: data.Manufacturer,
        // The vendor's spelling.
        state: data.Statue,
        isBound: hasText(data.UserId),
        hasManufacturerToken: hasText(data.ThirdToken),
      };
    },
  },
  'list-schedules': {
    summary: 'List pushes that the vendor itself is to send later',
    input: Type.Object(
      {
        startTime: moment('Of sending, not of making. Milliseconds since the epoch'),
        endTime: moment('Milliseconds since the epoch'),
        type: Type.Optional(
          Type.Union(
            ([0, 1, 2, 3] as const).map((value) => Type.Literal(value)),
            { description: '0 simple, 1 template, 2 batch, 3 broadcast' },
          ),
        ),
        uniqueId: Type.Optional(id),
        pageNumber: Type.Optional(Type.Integer({ minimum: 1 })),
        pageSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
      },
      closed,
    ),
    action: 'QueryPushSchedulerList',
    params: (input) => ({
      StartTime: input.startTime,
      EndTime: input.endTime,
      Type: input.type,
      UniqueId: input.uniqueId,
      PageNumber: input.pageNumber,
      PageSize: input.pageSize ?? 100,
    }),
    result(body) {
      const content = objectOf(body.ResultContent) ?? {};
      const data = objectOf(content.Data ?? content.data) ?? {};
      const list = data.List ?? data.list;
      return {
        totalCount: data.TotalCount ?? data.totalCount ?? 0,
        schedules: (Array.isArray(list) ? list : []).map((item) => lowerCamel(objectOf(item) ?? {})),
      };
    },
  },
  'cancel-schedule': {
    summary: 'Cancel pushes that the vendor itself was to send later',
    input: Type.Object({ uniqueIds: Type.Array(id, { minItems: 1, maxItems: 100 }) }, closed),
    action: 'CancelPushScheduler',
    params: ({ uniqueIds }) => ({ UniqueIds: (uniqueIds as string[]).join() }),
  },
  'create-template': {
    summary: 'Create a message template; placeholders are written #name#',
    input: Type.Object(
      {
        templateName: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^,]+$' }),
        description: text(200),
        title: text(1_024),
        content: text(1_024),
        uri: Type.Optional(text(1_024)),
        uriType: Type.Optional(Type.Union([Type.Literal('web'), Type.Literal('intent')])),
        variables: Type.Optional(
          Type.Array(Type.String({ pattern: '^[^,#\\s]{1,64}$' }), {
            description: 'Names of the placeholders',
          }),
        ),
        silent: Type.Optional(Type.Boolean()),
        pushStyle: Type.Optional(Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)])),
        imageUrls: Type.Optional(urls),
        iconUrls: Type.Optional(urls),
      },
      closed,
    ),
    action: 'CreateTemplate',
    params: (input) => ({
      TemplateName: input.templateName,
      DescInfo: input.description,
      Title: input.title,
      Content: input.content,
      Uri: input.uri,
      JumpAction: input.uri === undefined ? undefined : input.uriType === 'intent' ? 1 : 0,
      Variables: (input.variables as string[] | undefined)?.join(),
      ShowStyle: input.silent ? 1 : 0,
      PushStyle: input.pushStyle ?? 0,
      ImageUrls: input.imageUrls,
      IconUrls: input.iconUrls,
    }),
  },
};

const verify: VendorOperation = {
  summary: 'Prove the credential by a push to nobody, which sends nothing',
  input: Type.Object({}, closed),
};

export const operations: Readonly<Record<string, VendorOperation>> = {
  verify,
  ...Object.fromEntries(
    Object.entries(byOpenApi).map(([name, { summary, input }]) => [name, { summary, input }]),
  ),
};

/** Refusals of a push to nobody that come only after the signature was found good. */
const nobodyNamed = new Set(['3001', '3012', '3021']);

/** @see  `Sender.operate` */
export async function operate(
  name: string,
  input: Input,
  settings: MpaasSettings,
  transport: Transport,
  signal: AbortSignal,
): Promise<OperationAnswer> {
  if (name === 'verify') {
    const { outcome } = await transport.ask(proofCall(settings), { targets: [] }, signal);
    const isProof = outcome.kind === 'rejected' && nobodyNamed.has(outcome.code);
    return isProof
      ? { outcome: { kind: 'accepted', detail: outcome.detail }, result: { answer: outcome.code } }
      : { outcome };
  }
  const operation = Object.hasOwn(byOpenApi, name) ? byOpenApi[name] : undefined;
  if (operation === undefined) return refused('unknown-operation', `There is no operation ${name}.`);
  if (settings.interface === 'rest') {
    return refused('unsupported', `The rest interface of this channel has no ${name} that is documented.`);
  }
  const targets = operation.targets?.(input) ?? [];
  const { outcome, response } = await transport.ask(callOf(operation, input, settings), { targets }, signal);
  if (outcome.kind !== 'accepted' || operation.result === undefined || response === undefined) {
    return { outcome };
  }
  const body = objectOf(response.body.toString('utf8').trim()) ?? {};
  return { outcome, result: operation.result(body) };
}

function refused(code: string, detail: string): OperationAnswer {
  return { outcome: { kind: 'rejected', code, detail } };
}

function callOf(operation: Operation, input: Input, settings: MpaasSettings): OpenApiCall {
  const { params, put } = openApiParams(settings);
  for (const [field, value] of Object.entries(operation.params(input))) put(field, value);
  return { action: operation.action, params };
}

function hasText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** `UniqueId` as `uniqueId`: the SDK and the page differ in the first letter. */
function lowerCamel(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [field.charAt(0).toLowerCase() + field.slice(1), value]),
  );
}
