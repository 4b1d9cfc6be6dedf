import { type DatabaseInspection, inspectDatabase } from '@pushmill/store';
import { clockFinding } from './clock.ts';
import { addressOf, type Finding, failed, ok, reasonOf, warning } from './finding.ts';

const check = 'Postgres';

/**
 * Whether it answers and can be written to, its schema, its clock.
 * @returns whether the ledger can be read besides
 */
export async function checkPostgres(
  databaseUrl: string | undefined,
  inspect: (url: string) => Promise<DatabaseInspection> = inspectDatabase,
): Promise<{ findings: Finding[]; hasSchema: boolean }> {
  if (databaseUrl === undefined) {
    const nothing = failed(
      check,
      'not known: DATABASE_URL is not set, and no "pushmill up" runs on the data folder',
      'Set DATABASE_URL as the roles have it, or start one with "npx pushmill up".',
    );
    return { findings: [nothing], hasSchema: false };
  }
  const address = addressOf(databaseUrl);
  let found: DatabaseInspection;
  try {
    found = await inspect(databaseUrl);
  } catch (error) {
    const reason = reasonOf(error);
    const away = failed(
      check,
      `does not serve us at ${address}: ${reason}`,
      'Start it, or correct DATABASE_URL.',
    );
    return { findings: [away], hasSchema: false };
  }
  const answers = found.readOnly
    ? failed(
        check,
        `${found.version} at ${address} takes no changes: it is a standby or set read-only`,
        'Let DATABASE_URL lead to the primary.',
      )
    : ok(check, `${found.version} answers at ${address}`);
  return {
    findings: [answers, schemaFinding(found), clockFinding(check, found.clockAheadMs)],
    hasSchema: found.pending.length === 0,
  };
}

function schemaFinding({ pending, unknown }: DatabaseInspection): Finding {
  const name = 'schema';
  if (pending.length > 0) {
    return failed(
      name,
      `not up to date: ${pending.join(', ')} ${pending.length === 1 ? 'is' : 'are'} not applied`,
      'Run "pushmill migrate", then restart the roles.',
    );
  }
  if (unknown.length > 0) {
    return warning(
      name,
      `newer than this version: ${unknown.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} not known here`,
      'Upgrade the roles on this machine to the version that migrated the database.',
    );
  }
  return ok(name, 'up to date');
}
