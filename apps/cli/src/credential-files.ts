import { basename } from 'node:path';
import type { Command } from 'commander';
import { CommandError } from './failure.ts';
import { readBytes, readJsonObject, readTextFile } from './option-values.ts';
import type { Terminal } from './terminal.ts';

/** Where a credential comes from. Files and questions only: an argument would stay in the shell's history. */
export interface CredentialOptions {
  p12?: string;
  p8?: string;
  keyId?: string;
  teamId?: string;
  cert?: string;
  key?: string;
  serviceAccount?: string;
  passwordFile?: string;
  credential?: string;
}

export function addCredentialOptions(command: Command): Command {
  return command
    .option('--p12 <file>', 'APNs: certificate and key as .p12 or .pfx')
    .option('--p8 <file>', 'APNs: token signing key, with --key-id and --team-id')
    .option('--key-id <id>', 'APNs: of the .p8 (default: from a name like AuthKey_ABC123DEFG.p8)')
    .option('--team-id <id>', 'APNs: of the Apple developer account')
    .option('--cert <file>', 'APNs: certificate as PEM, with --key')
    .option('--key <file>', 'APNs: private key as PEM')
    .option('--service-account <file>', 'FCM: key file of a service account, as the console gave it')
    .option(
      '--password-file <file>',
      'password of the .p12 or of the key, - for standard input (default: asked for)',
    )
    .option('--credential <file>', 'any vendor: the credential as JSON, - for standard input');
}

/** The vendor whose credential one of the options names, so that it need not be said. */
export function vendorOfFile(options: CredentialOptions): string | undefined {
  if (options.serviceAccount !== undefined) return 'fcm';
  const isApple = options.p12 !== undefined || options.p8 !== undefined || options.cert !== undefined;
  return isApple ? 'apns' : undefined;
}

/**
 * The credential as `POST /v1/channels` takes it.
 * @returns  undefined when no option names one
 * @throws CommandError  for options that do not go together, and files that cannot be read
 */
export async function readCredential(
  options: CredentialOptions,
  terminal: Terminal,
): Promise<Record<string, unknown> | undefined> {
  const sources = Object.entries(optionOf)
    .filter(([name]) => options[name as keyof typeof optionOf] !== undefined)
    .map(([, option]) => option);
  if (sources.length > 1) {
    throw new CommandError(`A channel has one credential: use only one of ${sources.join(' and ')}.`);
  }
  if (options.p12 !== undefined) {
    const p12 = (await readBytes(options.p12)).toString('base64');
    const password = await readPassword(
      options,
      terminal,
      `Password of ${basename(options.p12)} (empty for none): `,
    );
    return { kind: 'certificate', p12, password: password ?? '' };
  }
  if (options.p8 !== undefined) return readTokenKey(options.p8, options, terminal);
  if (options.cert !== undefined) return readPemPair(options.cert, options, terminal);
  if (options.serviceAccount !== undefined) {
    return { serviceAccount: await readTextFile(options.serviceAccount, terminal) };
  }
  if (options.credential !== undefined) return readJsonObject(options.credential, terminal);
  return undefined;
}

const optionOf = {
  p12: '--p12',
  p8: '--p8',
  cert: '--cert',
  serviceAccount: '--service-account',
  credential: '--credential',
};

async function readTokenKey(path: string, options: CredentialOptions, terminal: Terminal) {
  // Apple names the file after the key.
  const keyId = options.keyId ?? /^AuthKey_([A-Z0-9]{10})\.p8$/.exec(basename(path))?.[1];
  if (keyId === undefined) throw new CommandError('--p8 needs --key-id, which Apple shows beside the key.');
  if (options.teamId === undefined) {
    throw new CommandError('--p8 needs --team-id, which Apple shows in the membership details.');
  }
  return { kind: 'token', keyId, teamId: options.teamId, privateKey: await readTextFile(path, terminal) };
}

async function readPemPair(path: string, options: CredentialOptions, terminal: Terminal) {
  const certificate = await readTextFile(path, terminal);
  // One file often holds both.
  const privateKey = options.key === undefined ? certificate : await readTextFile(options.key, terminal);
  const encrypted = privateKey.includes('ENCRYPTED');
  const passphrase = encrypted ? await readPassword(options, terminal, 'Password of the key: ') : undefined;
  return { kind: 'certificate', certificate, privateKey, ...(passphrase ? { passphrase } : {}) };
}

/** From the file, else asked for; undefined where nobody can answer. */
async function readPassword(
  options: CredentialOptions,
  terminal: Terminal,
  question: string,
): Promise<string | undefined> {
  if (options.passwordFile === undefined) return terminal.askSecret(question);
  // Editors end a file with a line break that is not part of the password.
  return (await readTextFile(options.passwordFile, terminal)).replace(/\r?\n$/, '');
}
