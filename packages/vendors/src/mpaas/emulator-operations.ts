import type { Answer } from '../emulator-server.ts';
import { openApiDialect, queryAnswer, scheduleAnswer } from './emulator-answers.ts';
import { type App, broadcastDevices } from './emulator-apps.ts';
import { isText, parsed, refuse } from './emulator-fields.ts';

/** What the emulated MPS remembers of the pushes that it took, the latest of them. */
export class Memory {
  readonly #targets = new Map<string, string>();
  readonly #tasks = new Map<string, string>();

  took(app: App, msgKey: string, target: string): void {
    remember(this.#targets, `${app.appId} ${msgKey}`, target);
  }

  made(app: App, taskId: string): void {
    remember(this.#tasks, taskId, app.appId);
  }

  /** Takes a message back; once. */
  revokeMessage(app: App, msgKey: string, target: string): boolean {
    const key = `${app.appId} ${msgKey}`;
    return this.#targets.get(key) === target && this.#targets.delete(key);
  }

  revokeTask(app: App, taskId: string): boolean {
    return this.#tasks.get(taskId) === app.appId && this.#tasks.delete(taskId);
  }
}

const most = 10_000;

function remember(map: Map<string, string>, key: string, value: string): void {
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value as string);
}

export interface OperationInput {
  action: string;
  params: ReadonlyMap<string, string>;
  app: App;
  memory: Memory;
  /** Whether the emulator has seen or made this token. */
  isKnown: (token: string) => boolean;
}

/** Calls of interface A that send nothing. Undefined for an action that is none of them. */
export function operationReply(input: OperationInput): Answer | undefined {
  const { action, params, app, memory } = input;
  const get = (name: string) => params.get(name) ?? '';
  const invalid = refuse(3028);
  switch (action) {
    case 'RevokePushMessage': {
      const revoked = memory.revokeMessage(app, get('MessageId'), get('TargetId'));
      return revoked ? openApiDialect.taken('') : openApiDialect.refused(invalid.code, invalid.name);
    }
    case 'RevokePushTask': {
      const revoked = memory.revokeTask(app, get('TaskId'));
      return revoked ? openApiDialect.taken('') : openApiDialect.refused(invalid.code, invalid.name);
    }
    case 'PushQueryDeviceState':
      return deviceState(input);
    case 'CreateTemplate':
      return createTemplate(app, get);
    case 'QueryPushSchedulerList':
      return listSchedules(input);
    case 'CancelPushScheduler': {
      const ids = get('UniqueIds').split(',');
      if (!ids.every((id) => app.schedules.has(id))) {
        return openApiDialect.refused(invalid.code, invalid.name);
      }
      for (const id of ids) app.schedules.delete(id);
      return scheduleAnswer('SUCCESS');
    }
    default:
      return undefined;
  }
}

function deviceState({ params, isKnown }: OperationInput) {
  const target = params.get('Target') ?? '';
  const type = params.get('TargetType');
  if (target === '' || (type !== '1' && type !== '2')) {
    return queryAnswer('3028', { Message: 'INVALID_PARAM' }, null);
  }
  const known = isKnown(target) || (broadcastDevices as readonly string[]).includes(target);
  if (!known) return queryAnswer('8000', { Message: 'NOT_PUSH_DEVICE' }, null);
  const isIos = target.startsWith('ios-');
  return queryAnswer(
    '100',
    { Message: 'SUCCESS' },
    {
      UserId: type === '2' ? target : '',
      DeviceId: target,
      DeliveryToken: target,
      ThirdToken: isIos ? target : '',
      Platform: isIos ? 'ios' : 'android',
      Manufacturer: isIos ? 'ios' : 'android',
      Statue: isIos ? 'UNKNOW' : 'ONLINE',
    },
  );
}

function createTemplate(app: App, get: (name: string) => string) {
  const name = get('TemplateName');
  const answer = (code: string, words: string) => queryAnswer(code, { Msg: words }, null);
  if (!isText(name) || name.includes(',')) return answer('3038', 'TEMPLATE_NAME_INVALID');
  const texts = [get('Title'), get('Content'), get('Uri')];
  if (texts[0] === '' || texts[1] === '' || get('DescInfo') === '') return answer('3028', 'INVALID_PARAM');
  const stated = get('Variables').split(',').filter(isText).sort();
  const written = new Set(
    texts.flatMap((text) => [...text.matchAll(/#([^#\s]+)#/g)].map((found) => found[1])),
  );
  if (stated.join() !== [...written].sort().join()) return answer('3028', 'INVALID_PARAM');
  if (app.templates.has(name)) return answer('3036', 'TEMPLATE_ALREADY_EXIST');
  app.templates.set(name, stated);
  return answer('100', 'SUCCESS');
}

/** `ResultContent` as text with small letters, as the page has it; the SDK's shape is an object with capitals. */
function listSchedules({ params, app }: OperationInput) {
  const number = (name: string, otherwise: number) => {
    const value = parsed(params.get(name));
    return typeof value === 'number' ? value : otherwise;
  };
  const [from, to] = [number('StartTime', -1), number('EndTime', -1)];
  if (from < 0 || to < 0) {
    const { code, name } = refuse(3028);
    return openApiDialect.refused(code, name);
  }
  const wanted = params.get('UniqueId');
  const found = [...app.schedules].filter(([uniqueId, schedule]) => {
    const isInTime = schedule.pushTime >= from && schedule.pushTime <= to;
    return isInTime && (wanted === undefined || wanted === uniqueId) && number('Type', 3) === 3;
  });
  const size = number('PageSize', 500);
  const start = (number('PageNumber', 1) - 1) * size;
  const list = found.slice(start, start + size).map(([uniqueId, schedule]) => ({
    uniqueId,
    parentId: uniqueId,
    pushTime: schedule.pushTime,
    pushTitle: schedule.title,
    type: 3,
    deliveryType: schedule.deliveryType,
    strategyType: schedule.strategyType,
    executedStatus: 0,
    createType: 0,
    gmtCreate: schedule.madeAt,
  }));
  return scheduleAnswer(JSON.stringify({ data: { totalCount: found.length, list } }));
}
