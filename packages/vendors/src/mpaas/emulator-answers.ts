import { randomUUID } from 'node:crypto';

/** How an interface writes its answers. */
export interface Dialect {
  /** @param taskId  of the task that MPS made of the call */
  taken(taskId: string): { status: number; body: unknown };
  refused(code: string, name: string): { status: number; body: unknown };
  throttled(): { status: number; body: unknown };
  unavailable(): { status: number; body: unknown };
}

/** The gateway says OK even when the business result inside is a refusal, and names it instead of numbering it. */
export const openApiDialect: Dialect = {
  taken: (taskId) => openApiAnswer(true, 'SUCCESS', taskId),
  refused: (_code, name) => openApiAnswer(false, name, null),
  throttled: () => gatewayError(400, 'Throttling.User', 'Request was denied due to user flow control.'),
  unavailable: () =>
    gatewayError(503, 'ServiceUnavailable', 'The request has failed due to a temporary failure.'),
};

/** Shape unsure: the vendor prints none (README.md). */
export const restDialect: Dialect = {
  taken: () => restAnswer(200, '100', 'SUCCESS'),
  refused: (code, name) => restAnswer(200, code, name),
  throttled: () => restAnswer(429, 'Throttling', 'Throttling'),
  unavailable: () => restAnswer(200, '9000', 'SYSTEM_ERROR'),
};

function openApiAnswer(success: boolean, message: string, data: string | null) {
  return {
    status: 200,
    body: {
      RequestId: randomUUID().toUpperCase(),
      ResultCode: 'OK',
      ResultMessage: message,
      PushResult: { Success: success, ResultMsg: message, Data: data },
    },
  };
}

function restAnswer(status: number, code: string, message: string) {
  return { status, body: { success: code === '100', resultCode: code, resultMsg: message, data: null } };
}

/** Calls about devices and templates answer by a code of their own; `words` differ in the name of their field. */
export function queryAnswer(code: string, words: Record<string, string>, data: unknown) {
  return {
    status: 200,
    body: {
      RequestId: randomUUID().toUpperCase(),
      Success: code === '100',
      Code: code,
      ...words,
      Data: data,
    },
  };
}

/** Calls about schedules. */
export function scheduleAnswer(content: unknown) {
  return {
    status: 200,
    body: {
      RequestId: randomUUID().toUpperCase(),
      ResultCode: 'OK',
      ResultMessage: 'SUCCESS',
      ResultContent: content,
    },
  };
}

/** An error of the gateway, before MPS saw the call. */
export function gatewayError(status: number, code: string, message: string) {
  return {
    status,
    body: {
      RequestId: randomUUID().toUpperCase(),
      HostId: 'mpaas.aliyuncs.com',
      Code: code,
      Message: message,
      Recommend: `https://api.aliyun.com/troubleshoot?q=${code}`,
    },
  };
}
