import type { PushWithTimeline, TimelineEntry } from '@pushmill/client';
import { table } from './table.ts';

/** One push as a person reads it: what it is, and what happened to it, moment by moment. */
export function timelineText(push: PushWithTimeline): string {
  const title = `${push.id}  ${push.vendor} via ${push.channel}: ${push.state}${push.code ? ` (${push.code})` : ''}`;
  const start = Date.parse(push.timeline[0]?.at ?? push.createdAt);
  const rows = push.timeline.map((entry) => [
    `+${Date.parse(entry.at) - start} ms`,
    entry.type,
    outcomeOf(entry),
    wordsOf(entry),
  ]);
  return `${title}\n${table(['when', 'what', 'outcome', 'words'], rows).replace(/^/gm, '  ')}`;
}

/** Only a signature verifies; an unguessable address does not. */
function outcomeOf(entry: TimelineEntry): string {
  if (entry.type !== 'receipt') return entry.kind ?? entry.state ?? '';
  return [entry.state, entry.verified ? 'receipt verified' : 'receipt unverified'].filter(Boolean).join(', ');
}

/** The vendor's code and sentence, its id, and what was decided, in that order. */
function wordsOf(entry: TimelineEntry): string {
  const decision =
    entry.action && entry.action !== 'finish'
      ? `→ ${entry.action}${typeof entry.delayMs === 'number' ? ` in ${entry.delayMs} ms` : ''}`
      : undefined;
  const id = entry.vendorMessageId ? `id ${entry.vendorMessageId}` : undefined;
  const took = typeof entry.durationMs === 'number' ? `${entry.durationMs} ms` : undefined;
  return [entry.code, entry.detail, id, took, decision].filter(Boolean).join('; ');
}
