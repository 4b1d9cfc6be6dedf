import { table } from '../table.ts';
import type { Finding } from './finding.ts';

const words: Readonly<Record<Finding['state'], string>> = {
  ok: 'good',
  warning: 'WARNING',
  failed: 'FAILED',
  skipped: 'not seen',
};

/** The findings for people: all of them as a table, then what to do. */
export function reportText(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => [finding.check, words[finding.state], finding.detail]);
  const remedies = findings.flatMap(({ check, remedy }) => (remedy ? [`  ${check}: ${remedy}`] : []));
  return [
    table(['what', 'how', 'in words'], rows),
    ...(remedies.length > 0 ? ['', 'What to do:', ...new Set(remedies)] : []),
  ].join('\n');
}

export function countOf(findings: readonly Finding[], state: Finding['state']): number {
  return findings.filter((finding) => finding.state === state).length;
}
