import type { CostSources } from '../costs.ts';

/** Something that takes pushes over HTTP and sends them to the sink. */
export interface Pipeline {
  url: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  sources: CostSources;
  /** The body of a request for pushes to these tokens. */
  body(tokens: readonly string[]): string;
  /** Called before each load; forgets what the one before left, where that would slow it down. */
  begin(): Promise<void>;
  /** Whether all of the load is recorded. Cheap, and asked only once all of it has been answered. */
  isRecorded(pushes: number): Promise<boolean>;
  /** Pushes of the load that the database calls accepted. */
  accepted(): Promise<number>;
}
