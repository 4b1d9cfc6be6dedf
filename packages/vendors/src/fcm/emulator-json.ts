import { isUtf8 } from 'node:buffer';
import type { Violation } from './emulator-errors.ts';

/*
 * Reads JSON as Google's APIs read it for a proto: names in camel case or as in the proto, `null` for what is left
 * out, no unknown names, and every fault told with the path of its field.
 */

type Scalar = 'string' | 'bool' | 'int32' | 'float' | 'duration' | 'timestamp' | 'struct' | 'map';

export type FieldSpec =
  | Scalar
  | { list: Scalar }
  | { enum: string; names: readonly string[] }
  | { fields: FieldSpecs };

/** By the name in the proto. */
export type FieldSpecs = Readonly<Record<string, FieldSpec>>;

interface Field {
  name: string;
  read: Reader;
}

/** Tells what is wrong with a value. Paths are made only then: nearly every message is good. */
type Reader = (value: unknown, at: Path, faults: Violation[]) => unknown;
type Path = () => string;

export type Fields = Readonly<Record<string, unknown>>;

/**
 * @returns  reads an object into one with the proto's names; what is wrong goes into `faults`
 */
export function compileFields(specs: FieldSpecs): (value: unknown, at: Path, faults: Violation[]) => Fields {
  const byName = new Map<string, Field>();
  for (const [name, spec] of Object.entries(specs)) {
    const field = { name, read: compile(name, spec) };
    byName.set(name, field);
    byName.set(
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      field,
    );
  }
  return (value, at, faults) => {
    const fields: Record<string, unknown> = {};
    if (!isObject(value)) {
      faults.push(wrong(at, 'Map', value));
      return fields;
    }
    for (const given in value) {
      const field = byName.get(given);
      if (field === undefined) {
        faults.push(unknownName(given, at()));
        continue;
      }
      const part = value[given];
      if (part === null) continue;
      const { name } = field;
      if (name in fields) {
        faults.push(about(at, `Invalid value at '${at()}', '${name}' is given twice`));
        continue;
      }
      fields[name] = field.read(part, () => (at() === '' ? name : `${at()}.${name}`), faults);
    }
    return fields;
  };
}

/** The body as an object of JSON, or what is wrong with it. */
export function parseObject(body: Buffer): { value: Readonly<Record<string, unknown>> } | { fault: string } {
  if (!isUtf8(body)) return { fault: 'Invalid JSON payload received. Invalid UTF-8.' };
  try {
    const value: unknown = body.length === 0 ? {} : JSON.parse(body.toString());
    if (isObject(value)) return { value };
    return { fault: 'Invalid JSON payload received. Unknown name "": Root element must be a message.' };
  } catch {
    // The rest of the vendor's sentence points into the body.
    return { fault: 'Invalid JSON payload received. Parsing terminated before end of input.' };
  }
}

function compile(name: string, spec: FieldSpec): Reader {
  if (typeof spec === 'string') return spec === 'map' ? readMap : scalar(name, spec);
  if ('fields' in spec) return compileFields(spec.fields);
  if ('enum' in spec) return readerOfEnum(spec.enum, spec.names);
  const read = scalar(name, spec.list);
  // A single value in place of a list is taken for a list of one.
  return (value, at, faults) =>
    (Array.isArray(value) ? value : [value]).map((item, index) =>
      read(item, () => `${at()}[${index}]`, faults),
    );
}

function readerOfEnum(type: string, names: readonly string[]): Reader {
  // The specification has capitals; Google's own client sends `high`, and it is taken.
  const known = new Map<unknown, string>(
    names.flatMap((name, number) => [
      [name, name],
      [name.toLowerCase(), name],
      [number, name],
    ]),
  );
  return (value, at, faults) => {
    const found = known.get(value);
    if (found === undefined) faults.push(wrong(at, `type.googleapis.com/${type}`, value));
    return found;
  };
}

function readMap(value: unknown, at: Path, faults: Violation[]): Fields {
  if (!isObject(value)) {
    faults.push(wrong(at, 'Map', value));
    return {};
  }
  let index = 0;
  for (const key in value) {
    const entry = index;
    const part = value[key];
    if (typeof part !== 'string') faults.push(wrong(() => `${at()}[${entry}].value`, 'TYPE_STRING', part));
    index += 1;
  }
  return value;
}

const isOf: Readonly<Record<Exclude<Scalar, 'map'>, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean' || value === 'true' || value === 'false',
  int32: (value) => {
    const number = typeof value === 'string' && value !== '' ? Number(value) : value;
    return Number.isInteger(number) && Math.abs(number as number) < 2 ** 31;
  },
  float: (value) => Number.isFinite(typeof value === 'string' && value !== '' ? Number(value) : value),
  // Ten thousand years, as the proto has it: what FCM allows is another matter.
  duration: (value) => typeof value === 'string' && /^-?\d{1,12}(\.\d{1,9})?s$/.test(value),
  timestamp: (value) =>
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value)),
  struct: (value) => isObject(value),
};

function scalar(name: string, kind: Exclude<Scalar, 'map'> | 'map'): Reader {
  if (kind === 'map') return readMap;
  const isRight = isOf[kind];
  return (value, at, faults) => {
    if (!isRight(value)) faults.push(wrong(at, typeNames[kind], value, reasons[kind]?.(name)));
    return value;
  };
}

const typeNames: Readonly<Record<Exclude<Scalar, 'map'>, string>> = {
  string: 'TYPE_STRING',
  bool: 'TYPE_BOOL',
  int32: 'TYPE_INT32',
  float: 'TYPE_FLOAT',
  duration: 'type.googleapis.com/google.protobuf.Duration',
  timestamp: 'type.googleapis.com/google.protobuf.Timestamp',
  struct: 'type.googleapis.com/google.protobuf.Struct',
};

const reasons: Partial<Record<Scalar, (name: string) => string>> = {
  duration: (name) => `Field '${name}', Illegal duration format; duration must end with 's'`,
  timestamp: (name) =>
    `Field '${name}', Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.`,
};

/** @param reason  where Google says more than the value */
function wrong(at: Path, type: string, value: unknown, reason?: string): Violation {
  return about(at, `Invalid value at '${at()}' (${type}), ${reason ?? JSON.stringify(value)}`);
}

const about = (at: Path, description: string): Violation => ({ field: at(), description });

function unknownName(name: string, path: string): Violation {
  const place = path === '' ? '' : ` at '${path}'`;
  const description = `Invalid JSON payload received. Unknown name ${JSON.stringify(name)}${place}: Cannot find field.`;
  return { field: path, description };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
