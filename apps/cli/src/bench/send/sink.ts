import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CommandError } from '../../failure.ts';
import { ScriptProcess } from '../script-process.ts';
import type { SinkKind, SinkQuestion, StartedSink } from './sink-process.ts';

export interface Sink extends StartedSink {
  kind: SinkKind;
  /** Why it is not nginx, where nobody asked for another. */
  insteadOfNginx?: string;
  /** PEM. */
  ca: string;
  /** Of its own process, since its start, in microseconds; null where it cannot be told. */
  cpuUs(): Promise<number | null>;
  stop(): Promise<void>;
}

const certificate = fileURLToPath(new URL('localhost.pem', import.meta.url));

/**
 * Starts a TLS server that answers every push with 200.
 * @param wanted  `auto`: nginx, or a Node server where nginx does not start
 * @throws CommandError  when the one that was asked for does not start
 */
export async function startSink(
  wanted: SinkKind | 'auto',
  folder: string,
  signal: AbortSignal,
): Promise<Sink> {
  if (wanted !== 'auto') return start(wanted, folder, signal);
  try {
    return await start('nginx', folder, signal);
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
    return { ...(await start('node', folder, signal)), insteadOfNginx: error.message };
  }
}

async function start(kind: SinkKind, folder: string, signal: AbortSignal): Promise<Sink> {
  const child = new ScriptProcess(new URL('sink-process.ts', import.meta.url));
  const ask = <Answer>(question: SinkQuestion) => child.ask<Answer>(question, signal);
  try {
    const started = await ask<StartedSink>({ kind: 'start', sink: kind, certificate, folder });
    const ca = new X509Certificate(await readFile(certificate)).toString();
    return { ...started, kind, ca, cpuUs: () => ask({ kind: 'cpu' }), stop: () => child.end() };
  } catch (error) {
    await child.end();
    throw error;
  }
}
