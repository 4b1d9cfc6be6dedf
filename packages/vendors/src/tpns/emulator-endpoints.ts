import { answerAccountCall, answerTagCall, answerTagRemoval } from './emulator-device-calls.ts';
import type { AppState } from './emulator-push.ts';
import type { Fields, Refusal } from './emulator-values.ts';

interface Endpoint {
  answer(fields: Fields, state: AppState, nowMs: number): Record<string, unknown> | Refusal;
  /** `retCode` in place of `ret_code`. */
  isCamel: boolean;
}

/** What is neither push nor upload: JSON in, JSON out. */
export const endpoints: Readonly<Record<string, Endpoint>> = {
  '/v3/device/tag': { answer: (fields, { devices }) => answerTagCall(fields, devices), isCamel: false },
  '/v3/device/tag/delete_all_device': {
    answer: (fields, { devices }) => answerTagRemoval(fields, devices),
    isCamel: false,
  },
  '/v3/device/account/batchoperate': {
    answer: (fields, { devices }) => answerAccountCall(fields, devices),
    isCamel: false,
  },
  '/v3/statistics/get_push_record': {
    answer: (fields, { tasks }, nowMs) => tasks.record(fields, nowMs),
    isCamel: true,
  },
  '/v3/statistics/get_push_task_stat_channel': {
    answer: (fields, { tasks }, nowMs) => tasks.counts(fields, nowMs),
    isCamel: true,
  },
  '/v3/toolbox/getPushListByToken': {
    answer: (fields, { tasks }, nowMs) => tasks.ofToken(fields, nowMs),
    isCamel: true,
  },
};
