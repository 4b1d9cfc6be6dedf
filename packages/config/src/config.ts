import { Secret } from '@pushmill/core';
import * as Type from 'typebox';
import { Value } from 'typebox/value';
import { annotationOf, type Environment, fieldOf, Schema, type SettingName, settingNames } from './schema.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Settings as the hand tools need them: nothing is required. */
export interface Settings {
  readonly redisUrl?: Secret;
  readonly databaseUrl?: Secret;
  /** As given: keys in base64, separated by commas; the store's sealing takes them so. */
  readonly masterKey?: Secret;
  readonly host: string;
  readonly port: number;
  readonly receiptsPort: number;
  readonly metricsPort: number;
  /** Without a trailing slash. */
  readonly publicReceiptsUrl: string;
  readonly logLevel: LogLevel;
  readonly dataDir: string;
  readonly operatorPassword?: Secret;
  /** Pushes. */
  readonly maxBacklog: number;
  readonly maxUrgentAgeSeconds: number;
  /** Undefined: all vendors. */
  readonly workerVendors?: readonly string[];
  readonly workerConcurrency?: number;
  readonly url?: string;
  readonly apiKey?: Secret;
}

/** Settings as a role needs them. */
export interface Config extends Settings {
  readonly redisUrl: Secret;
  readonly databaseUrl: Secret;
  readonly masterKey: Secret;
}

/** Every problem with the settings, by name and rule; the values, which may be secret, are nowhere in it. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}\nSee docs/config.md.`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * The settings of a role, checked and frozen.
 * @throws ConfigError  listing every problem at once
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  return read(env, 'role') as Config;
}

/**
 * The settings of a hand tool: the same checks, nothing required.
 * @throws ConfigError  listing every problem at once
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  return read(env, 'tool');
}

/** The effective values for the start log, by field name; a secret shows only whether it is configured. */
export function describeConfig(config: Settings): Record<string, unknown> {
  const values = config as unknown as Record<string, unknown>;
  return Object.fromEntries(
    settingNames.map((name) => {
      const field = fieldOf(name);
      if (annotationOf(name).secret) return [field, { configured: values[field] !== undefined }];
      return [field, values[field] ?? null];
    }),
  );
}

function read(env: NodeJS.ProcessEnv, reader: 'role' | 'tool'): Settings {
  const candidate = Value.Default(Schema, withNumbers(ours(env)));
  const problems = [...unusable(candidate), ...(reader === 'role' ? missing(candidate) : [])];
  if (problems.length > 0) throw new ConfigError(problems);
  const values = candidate as Environment;
  return Object.freeze({
    redisUrl: secret(values.REDIS_URL),
    databaseUrl: secret(values.DATABASE_URL),
    masterKey: secret(values.PUSHMILL_MASTER_KEY),
    host: values.PUSHMILL_HOST as string,
    port: values.PUSHMILL_PORT as number,
    receiptsPort: values.PUSHMILL_RECEIPTS_PORT as number,
    metricsPort: values.PUSHMILL_METRICS_PORT as number,
    publicReceiptsUrl: (values.PUSHMILL_PUBLIC_RECEIPTS_URL ?? localReceiptsUrl(values)).replace(/\/+$/, ''),
    logLevel: values.PUSHMILL_LOG_LEVEL as LogLevel,
    dataDir: values.PUSHMILL_DATA_DIR as string,
    operatorPassword: secret(values.PUSHMILL_OPERATOR_PASSWORD),
    maxBacklog: values.PUSHMILL_MAX_BACKLOG as number,
    maxUrgentAgeSeconds: values.PUSHMILL_MAX_URGENT_AGE_SECONDS as number,
    workerVendors: values.PUSHMILL_WORKER_VENDORS?.split(',').map((name) => name.trim()),
    workerConcurrency: values.PUSHMILL_WORKER_CONCURRENCY,
    url: values.PUSHMILL_URL?.replace(/\/+$/, ''),
    apiKey: secret(values.PUSHMILL_API_KEY),
  });
}

/**
 * The variables that are ours. An empty one counts as unset: compose files pass `NAME=` for what nobody chose.
 * `PUSHMILL_TEST_*` belongs to the tests.
 */
function ours(env: NodeJS.ProcessEnv): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const isOurs = Object.hasOwn(Schema.properties, name) || name.startsWith('PUSHMILL_');
    if (isOurs && !name.startsWith('PUSHMILL_TEST_') && value) found[name] = value;
  }
  return found;
}

/** Whole numbers only: the library's own conversion would take `1.5` for 1 and an empty text for 0. */
function withNumbers(texts: Record<string, string>): Record<string, string | number> {
  const isInteger = (name: string) =>
    Object.hasOwn(Schema.properties, name) && Type.IsInteger(Schema.properties[name as SettingName]);
  const numbers = Object.entries(texts).filter(([name, text]) => isInteger(name) && /^-?\d+$/.test(text));
  return { ...texts, ...Object.fromEntries(numbers.map(([name, text]) => [name, Number(text)])) };
}

/** Name and rule only: the validator's own errors carry values, and some of those are secrets. */
function unusable(candidate: unknown): string[] {
  const problems = new Set<string>();
  for (const error of Value.Errors(Schema, candidate)) {
    const name = error.instancePath.split('/')[1];
    if (name === undefined) continue;
    if (!Object.hasOwn(Schema.properties, name)) problems.add(`${name} is not a setting; ${nearest(name)}`);
    else problems.add(`${name} must be ${annotationOf(name as SettingName).rule}`);
  }
  return [...problems];
}

function missing(candidate: unknown): string[] {
  return settingNames
    .filter((name) => annotationOf(name).required && !(candidate as Environment)[name])
    .map((name) => `${name} is missing; it must be ${annotationOf(name).rule}`);
}

/** Most unknown names are a known one with a slip in it. */
function nearest(name: string): string {
  const [best] = settingNames
    .map((known) => ({ known, distance: editDistance(name, known) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= 4 ? `did you mean ${best.known}?` : 'remove it';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

function localReceiptsUrl(values: Environment): string {
  const everywhere = values.PUSHMILL_HOST === '0.0.0.0' || values.PUSHMILL_HOST === '::';
  return `http://${everywhere ? '127.0.0.1' : values.PUSHMILL_HOST}:${values.PUSHMILL_RECEIPTS_PORT}`;
}

function secret(value: string | undefined): Secret | undefined {
  return value === undefined ? undefined : new Secret(value);
}
