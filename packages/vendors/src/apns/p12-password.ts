/** One reading of a password: the same text is different bytes for the two families of key derivation. */
export interface PasswordForm {
  /** For the PKCS#12 derivation: UTF-16BE with two zero bytes, or nothing at all. */
  wide: Buffer;
  /** For PBKDF2. */
  narrow: Buffer;
}

const ending = Buffer.from([0, 0]);

/**
 * The readings to try, most likely first.
 *
 * An empty password and no password are two different things in PKCS#12, and which one a tool writes for an
 * empty field depends on the tool. OpenSSL before 1.1.0 widened the bytes of a non-ASCII password one by one.
 * No normalisation is defined, so an `ä` may be one character or two. A password pasted from a mail often has a
 * space or a line break at its end.
 * @see RFC 7292 Appendix B.1; RFC 8018
 */
export function passwordForms(password: string): PasswordForm[] {
  const forms: PasswordForm[] = [];
  const add = (wide: Buffer, narrow: Buffer) => {
    if (!forms.some((form) => form.wide.equals(wide) && form.narrow.equals(narrow)))
      forms.push({ wide, narrow });
  };
  const addText = (text: string) => add(widen(text), Buffer.from(text, 'utf8'));
  addText(password);
  if (password === '') add(Buffer.alloc(0), Buffer.alloc(0));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII is meant
  if (/[^\x00-\x7f]/.test(password)) {
    add(widen(Buffer.from(password, 'utf8').toString('latin1')), Buffer.from(password, 'utf8'));
    addText(password.normalize('NFC'));
    addText(password.normalize('NFD'));
  }
  if (password !== password.trim()) addText(password.trim());
  return forms;
}

function widen(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'utf16le').swap16(), ending]);
}
