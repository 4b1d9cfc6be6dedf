/** One thing wrong with an input: where (an RFC 6901 pointer), a stable code, and a sentence. */
export interface FieldProblem {
  pointer: string;
  code: string;
  detail: string;
}

/**
 * A credential file or field that cannot be used. The message is one plain sentence that says what is wrong
 * and what to do; it never holds the credential or its password.
 */
export class CredentialError extends Error {
  readonly code: string;
  readonly pointer: string;

  constructor(code: string, message: string, pointer = '/credential') {
    super(message);
    this.name = 'CredentialError';
    this.code = code;
    this.pointer = pointer;
  }
}
