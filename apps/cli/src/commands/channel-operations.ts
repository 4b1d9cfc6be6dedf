import type { Client, OperationAnswer, Vendor } from '@pushmill/client';
import type { Command } from 'commander';
import { CommandError } from '../failure.ts';
import { fieldsText, operationInput } from '../operation-input.ts';
import { keyValue, readJsonObject } from '../option-values.ts';
import type { Context } from '../program.ts';
import { table } from '../table.ts';

interface CallOptions {
  input?: string;
  set?: Record<string, string>;
  json?: true;
}

/** What a vendor can do besides sending: `channels verify`, `operations` and `call`. */
export function addChannelOperationCommands(channels: Command, { env, terminal }: Context): void {
  const client = async (): Promise<Client> =>
    (await import('../connection.ts')).connect(env, 'operator').client;

  channels
    .command('verify')
    .description('Prove a credential against the vendor, without a push')
    .argument('<name>')
    .option('--json', "print the API's answer")
    .addHelpText('after', '\nExits with 0 only if the vendor takes the credential.')
    .action(async (name: string, options: { json?: true }) => {
      const answer = await (await client()).channels.verify(name);
      if (options.json) terminal.json(answer);
      if (!answer.ok) {
        throw new CommandError(
          `The credential of the channel ${name} is not proven: ${refusal(answer, 'it')}`,
        );
      }
      if (options.json) return;
      terminal.out(`The vendor takes the credential of the channel ${name}.`);
      showResult(answer);
    });

  channels
    .command('operations')
    .description("List what a channel's vendor can do besides sending")
    .argument('<name>', 'of the channel')
    .option('--json', 'print them with the schemas of their input')
    .action(async (name: string, options: { json?: true }) => {
      const { title, operations } = await vendorOf(await client(), name);
      if (options.json) return terminal.json(operations);
      if (operations.length === 0) return terminal.note(`${title} has no operations.`);
      const rows = operations.map((one) => [one.name, one.summary, fieldsText(one)]);
      terminal.out(table(['operation', 'does', 'fields'], rows));
      terminal.note(`"pushmill channels call ${name} OPERATION --set field=value" runs one.`);
    });

  channels
    .command('call')
    .description("Have a channel's vendor do something besides sending")
    .argument('<name>', 'of the channel')
    .argument('<operation>', 'as "channels operations" lists it')
    .option('--input <file>', 'the input as JSON, - for standard input')
    .option('--set <field=value>', 'one field of the input; can be given several times', keyValue)
    .option('--json', "print the API's answer")
    .addHelpText('after', '\nExits with 0 only if the vendor did it.')
    .action(async (name: string, operation: string, options: CallOptions) => {
      const whole = options.input === undefined ? {} : await readJsonObject(options.input, terminal);
      const api = await client();
      const fields = options.set ? await typed(api, name, operation, options.set) : {};
      const answer = await api.channels.operate(name, operation, { ...whole, ...fields });
      if (options.json) terminal.json(answer);
      if (!answer.ok) throw new CommandError(`${operation} was not done: ${refusal(answer, 'this')}`);
      if (options.json) return;
      terminal.note(`The vendor did it: ${operation} through ${name}.`);
      showResult(answer);
    });

  function showResult({ result }: OperationAnswer): void {
    const rows = Object.entries(result ?? {});
    if (rows.length > 0) terminal.out(table(['field', 'value'], rows.map(rowOf)));
  }
}

async function vendorOf(client: Client, channelName: string): Promise<Vendor> {
  const channel = await client.channels.get(channelName);
  return client.vendors.get(channel.vendor);
}

/** An unknown operation is left to the api, which lists those that there are. */
async function typed(client: Client, channelName: string, name: string, texts: Record<string, string>) {
  const { operations } = await vendorOf(client, channelName);
  return operationInput(texts, operations.find((one) => one.name === name)?.input ?? {});
}

function rowOf([field, value]: [string, unknown]): unknown[] {
  return [field, value !== null && typeof value === 'object' ? JSON.stringify(value) : value];
}

/** Who refused, and its own words. */
function refusal(answer: OperationAnswer, what: string): string {
  const who: Readonly<Record<OperationAnswer['kind'], string>> = {
    accepted: 'the vendor says',
    'token-dead': `the vendor refuses ${what}`,
    rejected: `the vendor refuses ${what}`,
    misconfigured: `the vendor refuses the channel's credential or settings`,
    throttled: 'the vendor is asked too often, so try again later',
    unavailable: 'no usable answer came from the vendor, so try again',
  };
  const words = [answer.code, answer.detail].filter(Boolean).join(': ');
  return `${who[answer.kind]}${words ? ` (${words})` : ''}.`;
}
