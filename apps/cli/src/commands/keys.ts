import { type Command, Option } from 'commander';
import { CommandError } from '../failure.ts';
import type { Context } from '../program.ts';
import { table } from '../table.ts';

/** Keys are made on the database itself: the first key of an installation cannot be asked of its API. */
export function addKeysCommand(program: Command, { env, terminal }: Context): void {
  const keys = program
    .command('keys')
    .description('API keys (needs DATABASE_URL, or a running "pushmill up")');

  keys
    .command('create')
    .description('Make a key and show it, this once')
    .argument('<name>', 'what it is for')
    .addOption(
      new Option('--role <role>', 'producers send and read; operators also change channels and keys')
        .choices(['producer', 'operator'])
        .default('producer'),
    )
    .option('--json', 'print it as JSON')
    .action(async (name: string, options: { role: 'producer' | 'operator'; json?: true }) => {
      await withLedger(env, async (store) => {
        const app = await store.apps.ensureDefault();
        const { id, key, createdAt } = await store.keys.create({ appId: app.id, name, role: options.role });
        if (options.json) return terminal.json({ id, name, role: options.role, key, createdAt });
        terminal.out(key);
        terminal.note(
          `The key "${name}" (${options.role}) has the id ${id}. It is shown this once: keep it.`,
        );
      });
    });

  keys
    .command('list')
    .description('List the keys; the keys themselves are not kept')
    .option('--json', 'print them as JSON')
    .action(async (options: { json?: true }) => {
      await withLedger(env, async (store) => {
        const app = await store.apps.ensureDefault();
        const list = await store.keys.list(app.id);
        if (options.json) return terminal.json(list.map(({ appId: _, ...key }) => key));
        terminal.out(
          table(
            ['id', 'name', 'role', 'made', 'revoked'],
            list.map((key) => [key.id, key.name, key.role, key.createdAt, key.revokedAt]),
          ),
        );
      });
    });

  keys
    .command('revoke')
    .description('Make a key useless, within a second')
    .argument('<id>', 'as "keys list" shows it')
    .action(async (id: string) => {
      const { isUuid } = await import('@pushmill/core');
      if (!isUuid(id)) throw new CommandError(`"${id}" is not a key's id: "pushmill keys list" shows them.`);
      await withLedger(env, async (store) => {
        const app = await store.apps.ensureDefault();
        if (!(await store.keys.revoke(app.id, id))) {
          throw new CommandError(`There is no key ${id}, or it was revoked before.`);
        }
        terminal.note(`The key ${id} is revoked.`);
      });
    });
}

type Store = ReturnType<typeof import('../connection.ts').openLedger>;

async function withLedger(env: NodeJS.ProcessEnv, work: (store: Store) => Promise<void>): Promise<void> {
  const { openLedger } = await import('../connection.ts');
  const { isLedgerAway } = await import('@pushmill/store');
  const store = openLedger(env);
  try {
    await work(store);
  } catch (error) {
    if (isLedgerAway(error)) {
      throw new CommandError('The database does not answer: start it, or correct DATABASE_URL.');
    }
    if ((error as { code?: string }).code === '42P01') {
      throw new CommandError('The database has no pushmill schema yet: run "pushmill migrate" first.');
    }
    throw error;
  } finally {
    await store.close();
  }
}
