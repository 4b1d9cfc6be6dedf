import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');

interface PackageFile {
  name: string;
  license?: unknown;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function readPackage(path: string): PackageFile {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

const packageFiles = ['package.json', ...globSync('{packages,apps}/*/package.json', { cwd: root })].map(
  readPackage,
);
const named = new Set(
  packageFiles
    .flatMap((file) =>
      Object.keys({ ...file.dependencies, ...file.devDependencies, ...file.optionalDependencies }),
    )
    .filter((name) => !name.startsWith('@pushmill/')),
);

const rows = readFileSync(join(root, 'docs/dependencies.md'), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => /^`[^`]+`$/.test(cells[1] ?? ''))
  .map((cells) => ({ name: (cells[1] ?? '').slice(1, -1), users: cells[2] ?? '', licence: cells[4] ?? '' }));

describe('docs/dependencies.md', () => {
  it('lists each dependency of each package.json once, and nothing else', () => {
    assert.deepEqual(rows.map((row) => row.name).sort(), [...named].sort());
  });

  it('names the packages that use it', () => {
    for (const { name, users } of rows) {
      if (/^(root|tests|e2e tests)$/.test(users)) continue;
      const found = packageFiles
        .filter((file) => file.dependencies?.[name])
        .map((file) => file.name.replace('@pushmill/', ''));
      assert.deepEqual(users.split(', ').sort(), found.sort(), name);
    }
  });

  it('gives the licence that the installed package gives', () => {
    for (const { name, licence } of rows) {
      let installed: PackageFile;
      try {
        installed = readPackage(`node_modules/${name}/package.json`);
      } catch {
        continue; // a platform package of another platform
      }
      assert.equal(licence, installed.license, name);
    }
  });
});

describe('docs/decisions', () => {
  it('has each record in its list', () => {
    const list = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8');
    for (const file of globSync('docs/decisions/[0-9]*.md', { cwd: root })) {
      const name = file.split('/').at(-1) as string;
      assert.ok(list.includes(name), `${name} is not in docs/decisions/README.md`);
    }
  });
});
