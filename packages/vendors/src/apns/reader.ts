import { Worker } from 'node:worker_threads';
import { CredentialError } from '@pushmill/core';
import type { FileView, ViewRequest } from './file-view.ts';
import type { FileContent, FileRequest } from './files.ts';
import type { ReaderAnswer, ReaderTask } from './reader-thread.ts';

/** Far more than a machine that is overloaded needs for an honest file. */
const LIMIT_MS = 30_000;

/**
 * Reads files on a thread of its own, within a time.
 * @param limitMs  a file that takes longer is refused and its thread ended
 * @throws CredentialError  with a plain sentence
 */
export async function readFilesApart(request: FileRequest, limitMs = LIMIT_MS): Promise<FileContent> {
  return (await runApart({ kind: 'read', request }, limitMs)) as FileContent;
}

/**
 * Looks into one file on a thread of its own, within a time. What is wrong with the file is part of the answer.
 * @throws CredentialError  only when it takes too long
 */
export async function viewFileApart(request: ViewRequest, limitMs = LIMIT_MS): Promise<FileView> {
  return (await runApart({ kind: 'view', request }, limitMs)) as FileView;
}

async function runApart(task: ReaderTask, limitMs: number): Promise<FileContent | FileView> {
  const worker = new Worker(new URL('./reader-thread.ts', import.meta.url), {
    workerData: task,
    // Nothing that this process was started with concerns a reader of untrusted files.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 128 },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const answer = await new Promise<ReaderAnswer>((resolve, reject) => {
      timer = setTimeout(() => reject(tooSlow()), limitMs);
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`The reader ended without an answer (${code})`)));
    });
    if (answer.ok) return answer.content;
    throw new CredentialError(answer.code, answer.message, answer.pointer);
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

function tooSlow(): CredentialError {
  return new CredentialError(
    'too-slow',
    'The file takes too long to open: export it again from Keychain Access or with openssl pkcs12.',
  );
}
