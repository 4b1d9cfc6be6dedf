import { writeFileSync } from 'node:fs';
import { annotationOf, settingNames } from './schema.ts';

/** Where the page lies. */
export const configPagePath = new URL('../../../docs/config.md', import.meta.url);

/** The text of `docs/config.md`. */
export function configPage(): string {
  const rows = settingNames.map((name) => {
    const about = annotationOf(name);
    const preset = about.default === undefined ? (about.unset ?? '') : `\`${about.default}\``;
    const marks = [about.required ? 'required' : '', about.secret ? 'secret' : ''].filter(Boolean).join(', ');
    return `| \`${name}\` | ${about.description} | ${about.rule} | ${preset} | ${about.readBy} | ${marks} |`;
  });
  return `<!-- Made by \`node packages/config/src/docs.ts\`. Edit packages/config/src/schema.ts instead. -->

# Settings

Settings are environment variables, checked when a process starts. Every problem is listed at once, by name; a \`PUSHMILL_*\` name that is not listed here is an error. An empty value counts as unset. The effective values are in each role's first log line, secrets as \`configured: true\` or \`false\`.

A *required* setting is needed by \`pushmill api\`, \`worker\` and \`receipts\`; \`pushmill up\` makes what is missing. A *secret* one is never logged or shown.

| name | does | must be | when unset | read by | |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

if (import.meta.main) writeFileSync(configPagePath, configPage());
