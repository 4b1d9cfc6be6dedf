import type { App } from './emulator-checks.ts';
import { accountKey, type DeviceBook } from './emulator-devices.ts';
import type { EmulatedCall } from './emulator-fields.ts';
import type { TaskBook } from './emulator-tasks.ts';
import { type Refusal, tokenForm } from './emulator-values.ts';

/** What the server side keeps of one app. */
export interface AppState {
  app: App;
  devices: DeviceBook;
  tasks: TaskBook;
}

/** Whom a call means. */
export interface Reach {
  /** Targets that are none. */
  invalid: ReadonlySet<string>;
  /** Tokens of the devices, undefined for everybody. */
  tokens: ReadonlySet<string> | undefined;
  planned: number;
}

export interface ReachOptions {
  missingAccountCode: number;
  allInvalidCode: number;
  /** Devices that were ever handed out. */
  everybody: number;
}

/**
 * Finds the devices of a call.
 * @param dead  targets that this call shall find to be none
 */
export function reach(
  call: EmulatedCall,
  { devices, tasks }: AppState,
  dead: ReadonlySet<string>,
  options: ReachOptions,
): Reach | Refusal {
  const { collapseId } = call.toMany ?? {};
  if (collapseId !== undefined && !tasks.hasCollapseId(collapseId)) {
    return { code: 1008007, words: 'collapse_id is invalid' };
  }
  if (call.audience === 'token' || call.audience === 'token_list') return reachTokens(call, dead, options);
  // An account, or an audience as a whole: of many, nobody is told which are dead.
  const isMissing = dead.has(call.audience) || call.targets.some((target) => dead.has(target));
  const found = isMissing ? new Set<string>() : find(call, devices);
  if (found === 'everybody') {
    return { invalid: none, tokens: undefined, planned: Math.max(options.everybody, devices.tagged) };
  }
  if (found.size === 0) {
    const code = call.audience.startsWith('account') ? options.missingAccountCode : 10010005;
    return { code, words: 'inner server error' };
  }
  return { invalid: none, tokens: found, planned: found.size };
}

const none: ReadonlySet<string> = new Set();

function reachTokens(call: EmulatedCall, dead: ReadonlySet<string>, options: ReachOptions): Reach | Refusal {
  const invalid = new Set(call.targets.filter((target) => dead.has(target) || !tokenForm.test(target)));
  if (invalid.size > 0 && !call.skipsInvalid) return { code: 1008029, words: 'invalid token' };
  const tokens = new Set(call.targets.filter((target) => !invalid.has(target)));
  if (options.allInvalidCode !== 0 && tokens.size === 0) {
    return { code: options.allInvalidCode, words: 'invalid token' };
  }
  return { invalid, tokens, planned: tokens.size };
}

function find(call: EmulatedCall, devices: DeviceBook): Set<string> | 'everybody' {
  const ofAccounts = (accounts: readonly string[]) =>
    new Set(
      accounts.flatMap((account) =>
        devices.devicesOf(accountKey(account, call.accountType), call.isToEveryDevice),
      ),
    );
  switch (call.audience) {
    case 'all':
      return 'everybody';
    case 'tag':
      return new Set(devices.withTags(call.toMany?.isMeant ?? (() => false)));
    case 'package_token_push':
      return new Set(
        (devices.packageOf(call.toMany?.uploadId ?? 0) ?? []).filter((line) => tokenForm.test(line)),
      );
    case 'package_account_push':
      return ofAccounts(devices.packageOf(call.toMany?.uploadId ?? 0) ?? []);
    default:
      return ofAccounts(call.targets);
  }
}
