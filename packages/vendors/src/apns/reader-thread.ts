import { parentPort, workerData } from 'node:worker_threads';
import { CredentialError } from '@pushmill/core';
import type { FileView, ViewRequest } from './file-view.ts';
import { viewFile } from './file-view.ts';
import type { FileContent, FileRequest } from './files.ts';
import { readFiles } from './files.ts';

export type ReaderTask = { kind: 'read'; request: FileRequest } | { kind: 'view'; request: ViewRequest };

/** Errors lose their class between threads, so what a CredentialError holds travels as plain fields. */
export type ReaderAnswer =
  | { ok: true; content: FileContent | FileView }
  | { ok: false; code: string; message: string; pointer: string };

function answer(task: ReaderTask): ReaderAnswer {
  try {
    return { ok: true, content: task.kind === 'read' ? readFiles(task.request) : viewFile(task.request) };
  } catch (error) {
    if (error instanceof CredentialError) {
      return { ok: false, code: error.code, message: error.message, pointer: error.pointer };
    }
    // The text of any other error may quote the file.
    return {
      ok: false,
      code: 'damaged',
      message: 'The file cannot be read: export it again.',
      pointer: '/credential',
    };
  }
}

parentPort?.postMessage(answer(workerData as ReaderTask));
