import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const pages = globSync('docs/runbook/*-*.md', { cwd: root });
const sources = globSync('{packages,apps}/*/src/**/*.ts', { cwd: root })
  .filter((file) => !file.endsWith('.test.ts'))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

describe('docs/runbook', () => {
  it('has a row in its list for each page', () => {
    const list = readFileSync(join(root, 'docs/runbook/README.md'), 'utf8');
    assert.ok(pages.length >= 2);
    for (const page of pages) {
      const name = page.split('/').at(-1) as string;
      assert.ok(list.includes(`](${name})`), `${name} is not in docs/runbook/README.md`);
    }
  });

  it('has a page by the name of a log line only', () => {
    for (const page of pages) {
      const [title = ''] = readFileSync(join(root, page), 'utf8').split('\n');
      const alert = title.replace('# ', '');
      assert.equal(page, `docs/runbook/${alert.replace('.', '-')}.md`);
      assert.ok(
        sources.some(({ text }) => text.includes(`'${alert}'`)),
        `nothing logs ${alert}`,
      );
    }
  });

  it('has the pages that the programs send people to', () => {
    const named = sources.flatMap(({ file, text }) =>
      [...text.matchAll(/docs\/runbook\/[a-z-]+\.md/g)].map(([page]) => ({ file, page })),
    );
    assert.ok(named.length > 0);
    for (const { file, page } of named)
      assert.ok(pages.includes(page), `${file} names ${page}, which is not there`);
  });
});
