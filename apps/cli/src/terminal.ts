/** Where a command writes. Results go to standard output, everything said along the way to standard error. */
export interface Terminal {
  /** A line of the result. */
  out(line: string): void;
  /** The result for programs: one JSON document. */
  json(value: unknown): void;
  /** A line for the person who waits. */
  note(line: string): void;
  /** How far long work is. On a terminal the line is overwritten; elsewhere one is printed now and then. */
  progress(line: string): void;
  clearProgress(): void;
  /** The whole of standard input. */
  readInput(): Promise<string>;
  /** Asks without echo. Undefined when nobody is there to answer. */
  askSecret(question: string): Promise<string | undefined>;
}

const QUIET_PROGRESS_MS = 5_000;

export function openTerminal(): Terminal {
  const live = process.stderr.isTTY === true;
  let shown = false;
  let lastQuiet = { at: 0, line: '' };

  function clearProgress(): void {
    if (shown) process.stderr.write('\r\x1b[K');
    shown = false;
  }

  return {
    out(line) {
      clearProgress();
      process.stdout.write(`${line}\n`);
    },
    json(value) {
      clearProgress();
      process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    note(line) {
      clearProgress();
      process.stderr.write(`${line}\n`);
    },
    progress(line) {
      if (live) {
        process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
        shown = true;
        return;
      }
      if (line === lastQuiet.line || Date.now() - lastQuiet.at < QUIET_PROGRESS_MS) return;
      lastQuiet = { at: Date.now(), line };
      process.stderr.write(`${line}\n`);
    },
    clearProgress,
    async readInput() {
      let text = '';
      process.stdin.setEncoding('utf8');
      for await (const chunk of process.stdin) text += chunk;
      return text;
    },
    askSecret,
  };
}

/** Raw mode, so that the terminal echoes nothing; Ctrl-C and Ctrl-D give up. */
function askSecret(question: string): Promise<string | undefined> {
  const { stdin } = process;
  if (!stdin.isTTY) return Promise.resolve(undefined);
  process.stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve) => {
    let typed = '';
    const finish = (answer: string | undefined) => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write('\n');
      resolve(answer);
    };
    const onData = (chunk: string) => {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return finish(typed);
        if (character === '\x03' || character === '\x04') return finish(undefined);
        if (character === '\x7f' || character === '\b') typed = typed.slice(0, -1);
        else typed += character;
      }
    };
    stdin.on('data', onData);
  });
}
