/**
 * An HTTP/1.1 answer whose body has a stated length.
 * @param text  what was received, a character a byte
 * @returns     its status and its whole length in bytes; undefined while some of it is missing
 * @throws      Error when it is no such answer
 */
export function readAnswer(text: string): { status: number; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const bodyLength = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (status === undefined || bodyLength === undefined) {
    throw new Error('the answer is not of HTTP/1.1, or does not say its length');
  }
  const length = end + 4 + Number(bodyLength);
  return text.length < length ? undefined : { status: Number(status), length };
}
