import { type Static, Type } from 'typebox';

/** What a setting's schema says beyond its type: for people, in errors and in `docs/config.md`. */
export interface Annotation {
  /** What it does. One or two sentences. */
  description: string;
  /** What a value must be, to follow "must be". Errors say this and never the value. */
  rule: string;
  /** Travels as a `Secret` and is shown as configured or not. */
  secret?: true;
  /** Needed by the roles; `pushmill up` makes its own. */
  required?: true;
  /** The effect of leaving it out, where there is no fixed default. */
  unset?: string;
  /** Which processes read it. */
  readBy: string;
}

/**
 * Ties the annotation's shape to each line below; TypeBox itself takes any keyword. Assigned and not spread:
 * TypeBox knows its kinds by properties that a spread leaves behind.
 */
function setting<T extends object>(shape: T, annotation: Annotation): T & Annotation {
  return Object.assign(shape, annotation);
}

const port = (preset: number) => Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: preset }));
const PORT_RULE = 'a port number from 0 to 65535; 0 takes any free port';
const HTTP_URL = '^https?://[^\\s/]+\\S*$';
const KEY = '[A-Za-z0-9+/]{43}=';

/** Every setting, by the name of its environment variable: the one source of type, check and page. */
export const Schema = Type.Object(
  {
    REDIS_URL: setting(Type.Optional(Type.String({ pattern: '^rediss?://\\S+$' })), {
      description:
        'Redis or Valkey, the engine that holds what is in flight. It needs `maxmemory-policy noeviction`.',
      rule: 'a redis:// or rediss:// URL',
      secret: true,
      required: true,
      unset: '`pushmill up` starts one of its own',
      readBy: 'all roles, `doctor`',
    }),
    DATABASE_URL: setting(Type.Optional(Type.String({ pattern: '^postgres(ql)?://\\S+$' })), {
      description: 'Postgres, the ledger of what was asked and what came of it.',
      rule: 'a postgres:// or postgresql:// URL',
      secret: true,
      required: true,
      unset: '`pushmill up` starts one of its own',
      readBy: 'all roles, `migrate`, `keys`, `doctor`',
    }),
    PUSHMILL_MASTER_KEY: setting(Type.Optional(Type.String({ pattern: `^${KEY}(\\s*,\\s*${KEY})*$` })), {
      description:
        'Seals the channel credentials in the ledger. Several keys are separated by commas: the first seals, the others only open what they sealed before. Make one with `openssl rand -base64 32`.',
      rule: 'one or more keys of 32 bytes in base64 (44 characters each), separated by commas',
      secret: true,
      required: true,
      unset: '`pushmill up` makes one in its data folder',
      readBy: 'all roles',
    }),
    PUSHMILL_HOST: setting(Type.Optional(Type.String({ minLength: 1, default: '127.0.0.1' })), {
      description: 'The address that the HTTP servers listen on. In a container: `0.0.0.0`.',
      rule: 'an IP address or host name',
      readBy: 'all roles',
    }),
    PUSHMILL_PORT: setting(port(8080), {
      description: 'The port of the HTTP API and the dashboard.',
      rule: PORT_RULE,
      readBy: 'api',
    }),
    PUSHMILL_RECEIPTS_PORT: setting(port(8081), {
      description: "The port that takes the vendors' callbacks.",
      rule: PORT_RULE,
      readBy: 'receipts',
    }),
    PUSHMILL_METRICS_PORT: setting(port(8082), {
      description:
        "The port of a worker's `/healthz`, `/readyz` and `/metrics`; the other roles serve these on their own ports.",
      rule: PORT_RULE,
      readBy: 'worker',
    }),
    PUSHMILL_PUBLIC_RECEIPTS_URL: setting(Type.Optional(Type.String({ pattern: HTTP_URL })), {
      description:
        'Where vendors reach the receipts service from outside: the base of the callback addresses that channels show.',
      rule: 'an http:// or https:// URL',
      unset: 'the host and `PUSHMILL_RECEIPTS_PORT`, which no vendor outside this machine can reach',
      readBy: 'api, `doctor`',
    }),
    PUSHMILL_LOG_LEVEL: setting(
      Type.Optional(
        Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info' }),
      ),
      {
        description: 'The least important line that is logged.',
        rule: 'one of trace, debug, info, warn, error, fatal, silent',
        readBy: 'all roles',
      },
    ),
    PUSHMILL_DATA_DIR: setting(Type.Optional(Type.String({ minLength: 1, default: './.pushmill' })), {
      description:
        'The folder where `pushmill up` keeps its Redis, Postgres, secrets and logs, and where the hand tools look for a running one.',
      rule: 'a path',
      readBy: '`up`, `emulate`, hand tools',
    }),
    PUSHMILL_OPERATOR_PASSWORD: setting(Type.Optional(Type.String({ minLength: 8 })), {
      description: 'The password of the dashboard, with the user name `operator`.',
      rule: 'at least 8 characters long',
      secret: true,
      unset: 'the dashboard refuses everyone; `pushmill up` makes one in its data folder',
      readBy: 'api',
    }),
    PUSHMILL_MAX_BACKLOG: setting(
      Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 20_000_000 })),
      {
        description:
          'Pushes that may wait over all channels before more are refused with 429. A bound for one channel is `maxBacklog` in its policy.',
        rule: 'a whole number from 1 to 1000000000',
        readBy: 'api',
      },
    ),
    PUSHMILL_MAX_URGENT_AGE_SECONDS: setting(
      Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400, default: 300 })),
      {
        description:
          'When transactional pushes of a channel have waited for longer, it takes no marketing, and no transactional message that would be over before its turn.',
        rule: 'a whole number from 1 to 86400',
        readBy: 'api',
      },
    ),
    PUSHMILL_WORKER_VENDORS: setting(
      Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]*(\\s*,\\s*[a-z][a-z0-9-]*)*$' })),
      {
        description: 'The vendors that this worker serves, e.g. `apns,mpaas`. `--vendors` comes first.',
        rule: 'vendor names separated by commas',
        unset: 'all vendors',
        readBy: 'worker',
      },
    ),
    PUSHMILL_WORKER_CONCURRENCY: setting(Type.Optional(Type.Integer({ minimum: 1, maximum: 10000 })), {
      description:
        'How many pushes of one channel a worker has in flight at once. `--concurrency` comes first.',
      rule: 'a whole number from 1 to 10000',
      unset: '400',
      readBy: 'worker',
    }),
    PUSHMILL_URL: setting(Type.Optional(Type.String({ pattern: HTTP_URL })), {
      description: 'The HTTP API that the hand tools call.',
      rule: 'an http:// or https:// URL',
      unset: 'the `pushmill up` that runs on the data folder',
      readBy: 'hand tools',
    }),
    PUSHMILL_API_KEY: setting(Type.Optional(Type.String({ minLength: 1 })), {
      description: 'The API key that the hand tools send.',
      rule: 'an API key',
      secret: true,
      unset: 'the key of the `pushmill up` that runs on the data folder',
      readBy: 'hand tools',
    }),
  },
  { additionalProperties: false },
);

export type Environment = Static<typeof Schema>;
export type SettingName = keyof typeof Schema.properties;

export const settingNames = Object.keys(Schema.properties) as SettingName[];

/** The annotation of a setting, with its default where it has one. */
export function annotationOf(name: SettingName): Annotation & { default?: string | number } {
  return Schema.properties[name];
}

/** The field of a setting in `Config`: `PUSHMILL_DATA_DIR` → `dataDir`. */
export function fieldOf(name: SettingName): string {
  return name
    .replace(/^PUSHMILL_/, '')
    .toLowerCase()
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
