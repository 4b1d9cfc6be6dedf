import { ConfigError, loadConfig, readSettings, type Settings } from '@pushmill/config';
import { readLocalFile } from '../local-file.ts';
import { type Finding, failed, ok } from './finding.ts';

const check = 'settings';

/**
 * @returns the settings too, unless they cannot be read at all
 */
export function checkSettings(env: NodeJS.ProcessEnv): { findings: Finding[]; settings?: Settings } {
  try {
    const settings = readSettings(env);
    // An `up` makes what is missing; a role of its own must be told all.
    const local = readLocalFile(settings.dataDir);
    if (!local) loadConfig(env);
    const source = local ? `with what "pushmill up" on ${settings.dataDir} made` : 'from the environment';
    return { settings, findings: [ok(check, `valid, ${source}`)] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { findings: error.problems.map(problemFinding), ...readable(env) };
  }
}

function problemFinding(problem: string): Finding {
  return failed(
    check,
    `${problem}.`,
    'Correct it where the environment of the roles is made (docs/config.md), or start one with "npx pushmill up".',
  );
}

function readable(env: NodeJS.ProcessEnv): { settings?: Settings } {
  try {
    return { settings: readSettings(env) };
  } catch {
    return {};
  }
}
