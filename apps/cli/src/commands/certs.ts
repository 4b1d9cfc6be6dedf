import { mkdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { CredentialError } from '@pushmill/core';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  askPassword,
  givenPassword,
  openWithPassword,
  type PasswordOptions,
  passwordHint,
  passwordOption,
  readInputs,
  wantsPassword,
} from '../certificate-files.ts';
import { CommandError } from '../failure.ts';
import { readBytes } from '../option-values.ts';
import type { Context } from '../program.ts';

const KEY_FILE = 'push.key';
const REQUEST_FILE = 'push.certSigningRequest';
const DEFAULT_STEP_SECONDS = 10;

interface CsrOptions {
  out: string;
  email?: string;
  name: string;
  country?: string;
  force?: true;
  json?: true;
}

interface InspectOptions extends PasswordOptions {
  json?: true;
}

interface ConvertOptions extends PasswordOptions {
  key?: string;
  out?: string;
  force?: true;
  anyway?: true;
  json?: true;
}

interface CheckOptions extends PasswordOptions {
  key?: string;
  host?: { host: string; port: number };
  environment?: 'production' | 'sandbox';
  ca?: string;
  probe?: true;
  topic?: string;
  timeout: number;
  json?: true;
}

export function addCertsCommand(program: Command, context: Context): void {
  const certs = program
    .command('certs')
    .description("The work with Apple's push certificates; needs no running pushmill");

  certs
    .command('csr')
    .description('Make a key and the signing request to upload to Apple')
    .option('--out <dir>', `folder for ${KEY_FILE} and ${REQUEST_FILE}`, '.')
    .option('--email <address>', 'of the account, in the request')
    .option('--name <name>', 'in the request; Apple gives the certificate a name of its own', 'pushmill')
    .option('--country <code>', 'two letters, in the request')
    .option('--force', 'replace a key and a request that are there already')
    .option('--json', 'print it as JSON')
    .action((options: CsrOptions) => makeRequest(context, options));

  certs
    .command('inspect')
    .description('Say what files hold: .p12, .pem, .cer, .p8, keys and signing requests')
    .argument('<file...>', 'several are also compared with each other')
    .option(...passwordOption)
    .option('--json', 'print it as JSON')
    .action((files: string[], options: InspectOptions) => inspect(context, files, options));

  certs
    .command('convert')
    .description('Make a clean PEM (key, certificate, chain) of any .p12, .pem, or .cer with its key')
    .argument('<file...>', 'the certificate; more files may hold its key and its chain')
    .option('--key <file>', `the private key, such as the ${KEY_FILE} of "certs csr"`)
    .option(...passwordOption)
    .option('--out <file>', 'the PEM (default: beside the file, with the ending .pem)')
    .option('--force', 'replace a file that is there already')
    .option('--anyway', 'also write what no channel would take, such as an expired certificate')
    .option('--json', 'print what was written as JSON')
    .action((files: string[], options: ConvertOptions) => convert(context, files, options));

  certs
    .command('check')
    .description('Connect with a certificate and say, step by step, what becomes of it')
    .argument('<file>', 'a .p12 or .pem, or a certificate with --key')
    .option('--key <file>', 'the private key')
    .option(...passwordOption)
    .option('--host <host[:port]>', 'in place of APNs: a proxy, an emulator', hostAndPort)
    .addOption(
      new Option(
        '--environment <name>',
        'which APNs (default: production, unless the certificate is for the sandbox alone)',
      ).choices(['production', 'sandbox']),
    )
    .option('--ca <file>', 'authority trusted besides the public ones, for a proxy or an emulator')
    .option('--probe', 'also send one push to a random token, which proves certificate and topic')
    .option('--topic <bundle id>', "of the probe (default: the certificate's first)")
    .option('--timeout <seconds>', 'for each step', positiveSeconds, DEFAULT_STEP_SECONDS)
    .option('--json', 'print the steps and the verdict as JSON')
    .action((file: string, options: CheckOptions) => check(context, file, options));
}

async function makeRequest({ terminal }: Context, options: CsrOptions): Promise<void> {
  const { certificates } = await import('@pushmill/vendors');
  const { cannotWrite, writeSecretFile } = await import('../secret-file.ts');
  const { existsSync } = await import('node:fs');
  const key = join(options.out, KEY_FILE);
  const request = join(options.out, REQUEST_FILE);
  for (const path of [key, request]) {
    if (options.force !== true && existsSync(path)) {
      throw new CommandError(
        `${path} is there already and is left as it is: a certificate that Apple made for it needs it. Choose another folder with --out, or replace it with --force.`,
      );
    }
  }
  const made = await certificates.makeSigningRequest({
    name: options.name,
    ...(options.email === undefined ? {} : { email: options.email }),
    ...(options.country === undefined ? {} : { country: options.country }),
  });
  try {
    await mkdir(options.out, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannotWrite(options.out, error);
  }
  await writeSecretFile(key, made.privateKey, options.force === true);
  await writeSecretFile(request, made.request, options.force === true);
  const convertLine = `pushmill certs convert aps.cer --key ${quoted(key)} --out push.pem`;
  if (options.json) return terminal.json({ key, request, next: convertLine });
  terminal.out(
    [
      `Private key      ${key} (keep it; nobody, Apple included, can make it again)`,
      `Signing request  ${request}`,
      '',
      'What comes next:',
      '1. Open https://developer.apple.com/account/resources/certificates/add, choose',
      '   "Apple Push Notification service SSL (Sandbox & Production)" and the app,',
      `   and upload ${request}.`,
      '2. Download the certificate that Apple makes of it, aps.cer, and bring it here.',
      `3. ${convertLine}`,
    ].join('\n'),
  );
}

async function inspect({ terminal }: Context, paths: string[], options: InspectOptions): Promise<void> {
  const { certificates } = await import('@pushmill/vendors');
  const { inspectionText } = await import('../certificate-text.ts');
  const inputs = await readInputs(paths);
  const given = await givenPassword(options, terminal);
  const files = inputs.map(({ path, bytes }) => ({ name: path, bytes, password: given ?? '' }));
  let found = await certificates.inspectFiles(files, new Date());
  if (given === undefined) {
    let answered = false;
    for (const [index, { problem }] of found.entries()) {
      const file = files[index];
      if (file === undefined || !wantsPassword(problem)) continue;
      const answer = await askPassword(file.name, terminal);
      if (answer === undefined) {
        if (problem) problem.message += ` ${passwordHint}`;
        continue;
      }
      file.password = answer;
      answered = true;
    }
    if (answered) found = await certificates.inspectFiles(files, new Date());
  }
  if (options.json) terminal.json({ files: found });
  else terminal.out(found.map(inspectionText).join('\n\n'));
  const wrong = found.filter(({ problem }) => problem !== null);
  if (wrong.length > 0) {
    throw new CommandError(wrong.map(({ file, problem }) => `${file}: ${problem?.message}`).join('\n'));
  }
}

async function convert({ terminal }: Context, paths: string[], options: ConvertOptions): Promise<void> {
  const { certificates } = await import('@pushmill/vendors');
  const { writeSecretFile } = await import('../secret-file.ts');
  const [first = ''] = paths;
  const opened = await openClient(paths, options, { terminal });
  if (opened.problem !== undefined && options.anyway !== true) {
    throw new CommandError(`${opened.problem.message} (--anyway writes it nonetheless.)`);
  }
  const out = options.out ?? join(dirname(first), `${basename(first, extname(first))}.pem`);
  await writeSecretFile(out, opened.privateKey + opened.certificate, options.force === true);
  const { leaf, chain } = opened;
  const validity = certificates.validityText(leaf, new Date());
  const topic = leaf.topics[0];
  if (options.json) {
    return terminal.json({
      file: out,
      commonName: leaf.commonName,
      topics: leaf.topics,
      environments: leaf.environments,
      fingerprint: leaf.x509.fingerprint256,
      expiresAt: leaf.notAfter.toISOString(),
      validity,
      certificates: chain.length,
      problem: opened.problem === undefined ? null : opened.problem.message,
    });
  }
  if (opened.problem !== undefined) terminal.note(opened.problem.message);
  terminal.out(
    `${out} holds the private key of "${leaf.commonName}" and ${chain.length === 1 ? 'the certificate' : `the certificate with its chain (${chain.length} in all)`}; it ${validity}.`,
  );
  terminal.out(
    [
      'The key in it is not encrypted: keep the file to yourself. What comes next:',
      `pushmill certs check ${quoted(out)}`,
      `pushmill channels add NAME --cert ${quoted(out)} --topic ${topic ?? 'BUNDLE_ID'}`,
    ].join('\n'),
  );
}

async function check({ terminal }: Context, path: string, options: CheckOptions): Promise<void> {
  const { certificates } = await import('@pushmill/vendors');
  const { stepText } = await import('../certificate-text.ts');
  const opened = await openClient([path], options, { terminal });
  const ca =
    options.ca === undefined ? undefined : await certificates.openAuthorities(await readBytes(options.ca));
  const { leaf } = opened;
  const onlySandbox = leaf.environments.length === 1 && leaf.environments[0] === 'sandbox';
  const environment = options.environment ?? (onlySandbox ? 'sandbox' : 'production');
  const { host, port } = options.host ?? {
    host: environment === 'production' ? 'api.push.apple.com' : 'api.sandbox.push.apple.com',
    port: 443,
  };
  const topic = options.topic ?? leaf.topics[0];
  if (options.probe && topic === undefined) {
    throw new CommandError('The certificate names no topic for the probe: give the bundle id with --topic.');
  }
  const validity = certificates.validityText(leaf, new Date());
  if (!options.json) {
    terminal.out(`"${leaf.commonName}", which ${validity}, to ${host} port ${port}:`);
    if (opened.problem) terminal.note(opened.problem.message);
  }
  const report = await certificates.checkHandshake({
    host,
    port,
    certificate: opened.certificate,
    privateKey: opened.privateKey,
    environments: leaf.environments,
    ...(ca === undefined ? {} : { ca }),
    ...(options.probe && topic !== undefined ? { probeTopic: topic } : {}),
    stepTimeoutMs: options.timeout * 1000,
    ...(options.json ? {} : { tell: (step) => terminal.out(stepText(step)) }),
  });
  const accepted = report.verdict === 'accepted';
  if (options.json) {
    terminal.json({
      host,
      port,
      environment: options.host === undefined ? environment : (options.environment ?? null),
      certificate: {
        commonName: leaf.commonName,
        topics: leaf.topics,
        environments: leaf.environments,
        fingerprint: leaf.x509.fingerprint256,
        expiresAt: leaf.notAfter.toISOString(),
        validity,
        problem: opened.problem?.message ?? null,
      },
      accepted,
      ...report,
    });
  }
  if (!accepted) throw new CommandError(report.sentence);
  if (!options.json) terminal.out(report.sentence);
}

async function openClient(
  paths: string[],
  options: PasswordOptions & { key?: string },
  { terminal }: Pick<Context, 'terminal'>,
) {
  const { certificates } = await import('@pushmill/vendors');
  const inputs = await readInputs(options.key === undefined ? paths : [...paths, options.key]);
  const bytes = inputs.map((input) => input.bytes);
  try {
    return await openWithPassword(paths, options, terminal, (password) =>
      certificates.openClientCertificate(bytes, password, new Date()),
    );
  } catch (error) {
    // The API's sentence is for someone at a Mac; here the key may be the one of "certs csr".
    if (error instanceof CredentialError && error.code === 'no-key' && options.key === undefined) {
      throw new CommandError(
        `${error.message} If the key was made with "pushmill certs csr", give it with --key ${KEY_FILE}.`,
      );
    }
    throw error;
  }
}

/** `proxy.example:2197`, `[::1]:443`, `https://…`; the port is 443 unless it is said. */
function hostAndPort(text: string): { host: string; port: number } {
  const match = /^(?:https:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#[\]]+))(?::(\d{1,5}))?\/?$/.exec(text);
  const port = Number(match?.[3] ?? 443);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('It must be a host, or host:port.');
  }
  return { host, port };
}

function positiveSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 600)) throw new InvalidArgumentError('It must be seconds, up to 600.');
  return seconds;
}

/** As a shell takes it. */
function quoted(path: string): string {
  return /^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
