import { findPackageJSON } from 'node:module';
import type { PlannedPush, Target } from './load.ts';

/** A client of a vendor, connected or about to be. */
export interface Client {
  /** @returns whether the answer was 200 */
  send(push: PlannedPush): Promise<boolean>;
  /** Of a client that is given many at once: how many were answered 200. */
  sendTogether?(pushes: readonly PlannedPush[]): Promise<number>;
  close(): Promise<void>;
}

export interface Contender {
  name: string;
  /** What it is of, unless Node or pushmill. For development, and not installed with the command. */
  package?: string;
  open(target: Target): Promise<Client>;
}

/** Where a package lies; undefined when it is not installed. */
export function packageFile(name: string): string | undefined {
  try {
    return findPackageJSON(name, import.meta.url);
  } catch {
    return undefined;
  }
}

/** By a name that the compiler does not follow: what is not installed with the command cannot be imported by it. */
export async function load<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module;
}
