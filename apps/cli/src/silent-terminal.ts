import type { Terminal } from './terminal.ts';

/** For tests: keeps what a command writes, and answers what it asks. */
export interface SilentTerminal extends Terminal {
  readonly lines: string[];
  readonly notes: string[];
  readonly documents: unknown[];
}

export function silentTerminal(given: { answer?: string | undefined; input?: string } = {}): SilentTerminal {
  const lines: string[] = [];
  const notes: string[] = [];
  const documents: unknown[] = [];
  return {
    lines,
    notes,
    documents,
    out: (line) => void lines.push(line),
    json: (value) => void documents.push(value),
    note: (line) => void notes.push(line),
    progress: () => undefined,
    clearProgress: () => undefined,
    readInput: async () => given.input ?? '',
    askSecret: async () => given.answer,
  };
}
