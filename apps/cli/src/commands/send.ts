import type { MessageRequest } from '@pushmill/client';
import { type Command, Option } from 'commander';
import { CommandError } from '../failure.ts';
import { keyValue, readJsonObject, wholeNumber } from '../option-values.ts';
import type { Context } from '../program.ts';

interface SendOptions {
  channel?: string;
  token?: string[];
  title?: string;
  body?: string;
  class: 'transactional' | 'marketing';
  data?: Record<string, string>;
  ttl?: number;
  file?: string;
  idempotencyKey?: string;
  json?: true;
}

export function addSendCommand(program: Command, context: Context): void {
  program
    .command('send')
    .description('Send a message')
    .option('--channel <name>', 'the channel to send through')
    .option('--token <token...>', 'device tokens')
    .option('--title <text>')
    .option('--body <text>')
    .addOption(
      new Option('--class <class>', 'what kind of message it is')
        .choices(['transactional', 'marketing'])
        .default('transactional'),
    )
    .option('--data <key=value>', 'for the app; can be given several times', keyValue)
    .option('--ttl <seconds>', 'how long it is worth delivering', wholeNumber(0, 31_536_000))
    .option('--file <path>', 'the whole message as JSON, - for standard input; instead of the options above')
    .option('--idempotency-key <key>', 'the same key with the same message sends once')
    .option('--json', "print the API's answer")
    .action((options: SendOptions) => send(context, options));
}

async function send({ env, terminal }: Context, options: SendOptions): Promise<void> {
  const { connect } = await import('../connection.ts');
  const message =
    options.file === undefined
      ? messageFrom(options)
      : ((await readJsonObject(options.file, terminal)) as unknown as MessageRequest);
  const { client } = connect(env, 'producer');
  const { idempotencyKey } = options;
  const accepted = await client.messages.send(
    message,
    idempotencyKey === undefined ? {} : { idempotencyKey },
  );
  if (options.json) return terminal.json(accepted);
  terminal.out(
    `Message ${accepted.id}: ${accepted.pushes} ${accepted.pushes === 1 ? 'push' : 'pushes'} ${accepted.state}.`,
  );
  for (const one of accepted.rejected)
    terminal.out(`Recipient ${one.index} was refused (${one.code}): ${one.detail}`);
  terminal.note(`"pushmill watch ${accepted.id}" shows what becomes of it.`);
}

/** @throws CommandError  when the options do not make a message */
export function messageFrom(options: SendOptions): MessageRequest {
  const { channel, token, title, body, data, ttl } = options;
  if (channel === undefined || token === undefined) {
    throw new CommandError(
      'Say whom it is for with --channel and --token, or hand in a whole message with --file.',
    );
  }
  if (title === undefined && body === undefined && data === undefined) {
    throw new CommandError(
      'Say what to send with --title, --body or --data, or hand in a whole message with --file.',
    );
  }
  const notification =
    title === undefined && body === undefined ? undefined : { title: title ?? null, body: body ?? null };
  return {
    class: options.class,
    ...(notification ? { notification } : {}),
    ...(data ? { data } : {}),
    ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
    to: [{ channel, tokens: token }],
  };
}
