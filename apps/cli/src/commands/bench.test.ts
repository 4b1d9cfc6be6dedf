import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createProgram } from '../program.ts';
import { silentTerminal } from '../silent-terminal.ts';

const page = ['chaos', 'benchmarks']
  .map((name) => readFileSync(new URL(`../../../../docs/${name}.md`, import.meta.url), 'utf8'))
  .join('\n');
const bench = createProgram({ env: {}, terminal: silentTerminal() }).commands.find(
  (command) => command.name() === 'bench',
);

describe('docs/chaos.md and docs/benchmarks.md', () => {
  it('has a section about each bench', () => {
    const sections = [...page.matchAll(/^## bench (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(
      sections,
      bench?.commands.map((command) => command.name()),
    );
  });

  const lines = [...page.matchAll(/^npx pushmill bench (\S+)(.*)$/gm)];

  it('shows each bench', () => {
    const shown = new Set(lines.map(([, name]) => name));
    assert.deepEqual([...shown].sort(), bench?.commands.map((command) => command.name()).sort());
  });

  for (const [line, name, rest = ''] of lines) {
    it(`uses what --help prints: ${line}`, () => {
      const help = bench?.commands.find((command) => command.name() === name)?.helpInformation() ?? '';
      const options = rest.match(/--[a-z]+/g) ?? [];
      assert.ok(options.length > 0);
      for (const option of options) assert.match(help, new RegExp(`${option}\\b`));
    });
  }
});
