import { unzipSync } from 'fflate';
import type { Refusal } from './emulator-values.ts';

const maxPackageBytes = 100 * 1_048_576;

/**
 * The lines of an uploaded package.
 * @see  intl 1024/33765 and its twin for tokens: a form's `file`, named with 1 to 100 characters, a zip of one
 *       txt or csv without folders, or such a file itself; UTF-8, a target a line
 */
export function readPackage(contentType: string | undefined, body: Buffer): string[] | Refusal {
  const boundary = /^multipart\/form-data;.*\bboundary="?([^";]{1,70})"?/i.exec(contentType ?? '')?.[1];
  if (boundary === undefined) return { code: 1008001, words: 'not a form' };
  const part = fileOf(body, boundary);
  if (part === undefined) return { code: 1008002, words: 'file is required' };
  const { fileName, content } = part;
  if (content.length === 0) return { code: 1008012, words: 'file is empty' };
  const extension = /\.(zip|txt|csv)$/i.exec(fileName)?.[1]?.toLowerCase();
  if (extension === undefined || fileName.length > 100 || content.length > maxPackageBytes) {
    return { code: 1008007, words: 'file is invalid' };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      extension === 'zip' ? onlyEntry(content) : content,
    );
    const lines = text.split(/\r?\n/).filter((line) => line !== '');
    return lines.length === 0 ? { code: 1008012, words: 'file is empty' } : lines;
  } catch {
    return { code: 1008011, words: 'upload failed' };
  }
}

/** The part called `file`, between its blank line and the next boundary. */
function fileOf(body: Buffer, boundary: string): { fileName: string; content: Buffer } | undefined {
  const line = Buffer.from(`--${boundary}`);
  let at = body.indexOf(line);
  while (at !== -1) {
    const next = body.indexOf(Buffer.concat([Buffer.from('\r\n'), line]), at + line.length);
    if (next === -1) return undefined;
    const blank = body.indexOf('\r\n\r\n', at);
    if (blank === -1 || blank >= next) return undefined;
    const head = body.toString('utf8', at + line.length, blank);
    const fileName = /;\s*filename="([^"]*)"/i.exec(head)?.[1];
    if (/;\s*name="file"/i.test(head) && fileName !== undefined) {
      return { fileName, content: body.subarray(blank + 4, next) };
    }
    at = next + 2;
  }
  return undefined;
}

/** @throws when it is no zip, or not of one text alone */
function onlyEntry(zip: Buffer): Uint8Array {
  const entries = Object.entries(unzipSync(zip));
  const [entry] = entries;
  if (entries.length !== 1 || entry === undefined || !/^[^/\\]+\.(txt|csv)$/i.test(entry[0])) {
    throw new Error('a package holds one txt or csv');
  }
  return entry[1];
}
