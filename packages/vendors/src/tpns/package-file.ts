import { randomUUID } from 'node:crypto';
import { zipSync } from 'fflate';

export interface PackageFile {
  body: Uint8Array;
  contentType: string;
}

/**
 * A package of targets as it is uploaded: a zip with one text file, a target a line, in a form's field `file`.
 * @see  cloud.tencent.com 548/39065 (intl 1024/33765) "Account package upload API"
 */
export function packageFile(targets: readonly string[]): PackageFile {
  const zip = zipSync({ 'targets.txt': Buffer.from(`${targets.join('\n')}\n`) });
  const boundary = `pushmill-${randomUUID()}`;
  const opening = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="file"; filename="targets.zip"',
    'Content-Type: application/zip',
    '\r\n',
  ].join('\r\n');
  return {
    body: Buffer.concat([Buffer.from(opening), zip, Buffer.from(`\r\n--${boundary}--\r\n`)]),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}
