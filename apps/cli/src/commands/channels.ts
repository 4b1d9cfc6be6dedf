import type { Channel, Client } from '@pushmill/client';
import { type Command, Option } from 'commander';
import {
  addCredentialOptions,
  type CredentialOptions,
  readCredential,
  vendorOfFile,
} from '../credential-files.ts';
import { CommandError } from '../failure.ts';
import { readJsonObject } from '../option-values.ts';
import type { Context } from '../program.ts';
import { table } from '../table.ts';
import { addChannelOperationCommands } from './channel-operations.ts';

interface AddOptions extends CredentialOptions {
  vendor?: string;
  settings?: string;
  topic?: string;
  environment?: string;
  json?: string;
}

export function addChannelsCommand(program: Command, context: Context): void {
  const { env, terminal } = context;
  const channels = program.command('channels').description("An operator's hand tools for channels");
  const client = async (): Promise<Client> =>
    (await import('../connection.ts')).connect(env, 'operator').client;

  channels
    .command('list')
    .description('List the channels')
    .option('--json', "print the API's answer")
    .action(async (options: { json?: true }) => {
      const list = await (await client()).channels.list();
      if (options.json) return terminal.json(list);
      if (list.length === 0)
        return terminal.note('There are no channels yet: "pushmill channels add --help".');
      terminal.out(table(['name', 'vendor', 'state', 'reaches', 'credential', 'expires'], list.map(rowOf)));
      for (const channel of list) {
        if (channel.state === 'paused') terminal.note(`${channel.name} is paused: ${reasonOf(channel)}`);
        if (channel.callbackUrl) terminal.note(`${channel.name} takes callbacks at ${channel.callbackUrl}`);
      }
    });

  addCredentialOptions(channels.command('add').description('Add a channel'))
    .argument('<name>')
    .option('--vendor <name>', 'e.g. apns, mpaas (default: that of the file, except of --credential)')
    .option('--topic <bundle id>', 'APNs: of the app')
    .addOption(
      new Option('--environment <name>', 'APNs: which device tokens').choices(['production', 'sandbox']),
    )
    .option('--settings <file>', 'any vendor: the settings as JSON, - for standard input')
    .option('--json <file>', 'the whole channel as JSON {vendor, settings, credential}, - for standard input')
    .action(async (name: string, options: AddOptions) => {
      const whole = options.json === undefined ? {} : await readJsonObject(options.json, terminal);
      const settings = {
        ...(whole.settings as object | undefined),
        ...(options.settings === undefined ? {} : await readJsonObject(options.settings, terminal)),
        ...(options.topic === undefined ? {} : { topic: options.topic }),
        ...(options.environment === undefined ? {} : { environment: options.environment }),
      };
      const vendor = options.vendor ?? whole.vendor ?? vendorOfFile(options);
      if (typeof vendor !== 'string') throw new CommandError('Say which vendor it is with --vendor.');
      const credential = (await readCredential(options, terminal)) ?? whole.credential;
      if (credential === undefined) {
        throw new CommandError(
          'Hand in the credential with --p12, --p8, --cert, --service-account, --credential or --json.',
        );
      }
      const added = await (await client()).channels.create({
        ...(whole.policy === undefined ? {} : { policy: whole.policy as Record<string, unknown> }),
        name,
        vendor,
        settings,
        credential: credential as Record<string, unknown>,
      });
      say(added, 'is added');
    });

  addCredentialOptions(channels.command('rotate').description("Replace a channel's credential"))
    .argument('<name>')
    .action(async (name: string, options: CredentialOptions) => {
      const credential = await readCredential(options, terminal);
      if (!credential)
        throw new CommandError(
          'Hand in the new credential with --p12, --p8, --cert, --service-account or --credential.',
        );
      say(await (await client()).channels.rotate(name, credential), 'has the new credential');
    });

  addChannelOperationCommands(channels, context);

  channels
    .command('pause')
    .description('Stop sending through a channel; its pushes wait')
    .argument('<name>')
    .action(async (name: string) => say(await (await client()).channels.pause(name), 'is paused'));

  channels
    .command('resume')
    .description('Send through a paused channel again')
    .argument('<name>')
    .action(async (name: string) => say(await (await client()).channels.resume(name), 'is on'));

  channels
    .command('delete')
    .description('Remove a channel; what still waits in it is not sent')
    .argument('<name>')
    .action(async (name: string) => {
      await (await client()).channels.delete(name);
      terminal.note(`The channel ${name} is removed.`);
    });

  function say(channel: Channel, what: string): void {
    terminal.note(`The channel ${channel.name} (${channel.vendor}) ${what}.`);
    if (channel.callbackUrl)
      terminal.note(`Its callback address, for the vendor's console: ${channel.callbackUrl}`);
  }
}

function rowOf(channel: Channel): unknown[] {
  const emulated = channel.emulator === true || channel.settings.emulator === true;
  const { kind, expiresAt } = channel.credential;
  return [
    channel.name,
    channel.vendor,
    channel.state,
    emulated ? 'emulator' : 'vendor',
    kind,
    expiresAt?.slice(0, 10),
  ];
}

function reasonOf(channel: Channel): string {
  const reason = channel.pausedReason;
  if (reason === null || typeof reason !== 'object') return String(reason ?? 'no reason is kept');
  const { code, detail } = reason as { code?: unknown; detail?: unknown };
  return [code, detail].filter(Boolean).join(': ');
}
