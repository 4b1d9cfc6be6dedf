/** A running server, ours or somebody else's. */
export interface Server {
  /** What a client connects with, password included: `redis://…` or `postgres://…`. Never log it. */
  readonly url: string;
  /** `environment`: named by REDIS_URL or DATABASE_URL and left alone. `embedded`: our child. */
  readonly origin: 'environment' | 'embedded';
  /** Process id of the embedded server (not of its guardian); undefined while it is down or not ours. */
  pid(): number | undefined;
  /** Stops an embedded server and waits until it is gone; does nothing to one we did not start. */
  stop(): Promise<void>;
}

/** What every embedded server is started with. */
export interface ServerOptions {
  /** Folder that holds everything that must survive a restart. Created if missing. */
  dataDir: string;
  /** Read for `REDIS_URL`, `DATABASE_URL`, `PATH` and the user's cache folder; nothing else. */
  env: NodeJS.ProcessEnv;
  /** One plain line about a long step or an event; no secrets. */
  say: (line: string) => void;
  /** Start the server again, on the same port, when it dies without being asked. Default true. */
  restart?: boolean;
  /** Called at each death nobody asked for, with a sentence and the end of the server's log. */
  onExit?: (sentence: string) => void;
  /**
   * False trades durability for speed: no fsync, no waiting for the disk. For tests only: a power cut
   * loses data (a killed process does not). Default true.
   */
  durable?: boolean;
}

/** Something is missing on this machine, or in the way; the message says what and names the remedy. */
export class EmbeddedError extends Error {
  override name = 'EmbeddedError';
}

/** A URL fit for a message: the password is replaced. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    return parsed.href;
  } catch {
    return '(not a URL)';
  }
}
