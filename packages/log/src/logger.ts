import {
  type Bindings,
  type ChildLoggerOptions,
  type DestinationStream,
  type Logger as PinoLogger,
  pino,
} from 'pino';
import { censor, describeError, redactionPaths } from './redaction.ts';

export type Logger = PinoLogger;

export interface LoggerOptions {
  /** `api`, `worker`, `receipts`, …; on every line. */
  role: string;
  /** A pino level name; `silent` for none. */
  level: string;
  /** Standard output unless given; tests read lines here. */
  destination?: DestinationStream;
}

/** A logger of JSON lines: ISO times, level names, secrets and tokens redacted, errors cut to safe fields. */
export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      level: options.level,
      base: { role: options.role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: [...redactionPaths], censor },
      serializers: { err: describeError, error: describeError },
    },
    // Synchronous: the last lines before a crash are the ones that matter.
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
  keepRedaction(logger);
  return logger;
}

/**
 * pino replaces the parent's redaction by that of `child(bindings, { redact })`, which was seen to leak a
 * secret. Children inherit this override, so that paths only ever add up.
 */
function keepRedaction(logger: Logger): void {
  type Child = (this: Logger, bindings: Bindings, options?: ChildLoggerOptions) => Logger;
  // pino's own type is generic over custom levels, of which there are none here.
  const original = logger.child as unknown as Child;
  const child: Child = function (bindings, options) {
    if (options?.redact === undefined) return original.call(this, bindings, options);
    const added = Array.isArray(options.redact) ? options.redact : options.redact.paths;
    const redact = { paths: [...redactionPaths, ...added], censor };
    return original.call(this, bindings, { ...options, redact });
  };
  logger.child = child as unknown as typeof logger.child;
}
