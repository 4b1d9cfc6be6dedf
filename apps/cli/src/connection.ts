import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { type Client, createClient } from '@pushmill/client';
import { readSettings, type Settings } from '@pushmill/config';
import { Secret } from '@pushmill/core';
import { openStore, type Store } from '@pushmill/store';
import { CommandError } from './failure.ts';
import { readLocalFile } from './local-file.ts';

/** The api that a hand tool talks to: the one in the settings, else the `up` that runs on the data folder. */
export interface Connection {
  client: Client;
  url: string;
}

/**
 * @param role  which key of a local `up` to use; `PUSHMILL_API_KEY` comes before both
 * @throws CommandError  when there is nothing to connect to
 */
export function connect(env: NodeJS.ProcessEnv, role: 'producer' | 'operator'): Connection {
  const settings = readSettings(env);
  // A key of the local `up` never travels to another address.
  const local = settings.url === undefined ? readLocalFile(settings.dataDir) : undefined;
  const url = settings.url ?? local?.url;
  if (url === undefined)
    throw new CommandError(`${nothingRuns(settings)}, or set PUSHMILL_URL and PUSHMILL_API_KEY.`);
  const localKey = role === 'operator' ? local?.operatorKey : local?.producerKey;
  const apiKey = settings.apiKey?.reveal() ?? localKey;
  if (apiKey === undefined) {
    throw new CommandError(
      'PUSHMILL_URL is set but PUSHMILL_API_KEY is not: set it to a key made by "pushmill keys create".',
    );
  }
  return { client: createClient({ url, apiKey }), url };
}

/** The database that administration works on: `DATABASE_URL`, else that of the `up` on the data folder. */
export function databaseUrlOf(env: NodeJS.ProcessEnv): Secret {
  const settings = readSettings(env);
  if (settings.databaseUrl) return settings.databaseUrl;
  const local = readLocalFile(settings.dataDir);
  if (local) return new Secret(local.databaseUrl);
  throw new CommandError(`${nothingRuns(settings)}, or set DATABASE_URL.`);
}

/** Opens the ledger for work that touches no credential. */
export function openLedger(env: NodeJS.ProcessEnv): Store {
  const databaseUrl = databaseUrlOf(env);
  // A throw-away key: keys and apps seal nothing, and asking for the master key here would only spread it.
  const masterKeys = new Secret(randomBytes(32).toString('base64'));
  return openStore({ databaseUrl, masterKeys, maxConnections: 1 });
}

function nothingRuns(settings: Settings): string {
  return `No pushmill is running on ${resolve(settings.dataDir)}: start one with "npx pushmill up"`;
}
