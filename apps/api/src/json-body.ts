import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { FieldProblem } from '@pushmill/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { fieldsProblem, ProblemError } from './problem.ts';
import { escapePointer } from './validation.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the raw body bytes; only of requests with an Idempotency-Key. */
    bodyHash: Buffer | undefined;
  }
}

/** Takes JSON and nothing else. The bytes are hashed as they came, for requests that may be repeated. */
export function readJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.decorateRequest('bodyHash', undefined);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (request.headers['idempotency-key'] !== undefined) {
      request.bodyHash = hash('sha256', body, 'buffer');
    }
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(malformed('The body is not UTF-8.'));
    const text = body.toString('utf8');
    parse(request as FastifyRequest, text, (error, value) => {
      if (error) return done(malformed(`The body is not JSON${positionOf(error)}.`));
      const found = unstorable(value);
      if (found) return done(fieldsProblem('invalid-request', [unstorableProblem(found)]));
      done(null, value);
    });
  });
}

function malformed(detail: string): ProblemError {
  return new ProblemError('malformed-json', detail, {
    errors: [{ pointer: '', code: 'malformed', detail }],
  });
}

/** Where the parser stopped. Its whole message quotes the body, which may hold a credential. */
function positionOf(error: Error): string {
  const position = /position \d+(?: \(line \d+ column \d+\))?/.exec(error.message);
  return position ? `, at ${position[0]}` : '';
}

const MAX_DEPTH = 32;

/**
 * Escapes can spell what is no text: half of a surrogate pair, or the NUL that Postgres cannot store. And a
 * body of brackets nested a million deep breaks whatever walks it.
 * @returns what is wrong, and the names that lead to it, the innermost first
 */
function unstorable(value: unknown, depth = 0): { tooDeep: boolean; names: string[] } | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : { tooDeep: false, names: [] };
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === MAX_DEPTH) return { tooDeep: true, names: [] };
  for (const [name, inner] of Object.entries(value)) {
    if (!isStorable(name)) return { tooDeep: false, names: [] };
    const found = unstorable(inner, depth + 1);
    if (found) return { ...found, names: [...found.names, name] };
  }
  return undefined;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function unstorableProblem({ tooDeep, names }: { tooDeep: boolean; names: readonly string[] }): FieldProblem {
  if (tooDeep) {
    return { pointer: '', code: 'too-deep', detail: `The body is nested more than ${MAX_DEPTH} deep.` };
  }
  const pointer = names
    .map((name) => `/${escapePointer(name)}`)
    .reverse()
    .join('');
  const where = pointer === '' ? 'The body' : pointer.slice(1).replaceAll('/', '.');
  const detail = `${where} holds a character that is not text (U+0000 or half a surrogate pair).`;
  return { pointer, code: 'wrong-format', detail };
}
