import type { JsonSchema, VendorOperation } from '@pushmill/client';

const propertiesOf = (schema: JsonSchema) =>
  (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;

/**
 * The values of `--set` as the operation's input: each of the type that the vendor's schema gives its field. What
 * does not fit stays text, and the api says what is wrong with it.
 */
export function operationInput(
  texts: Readonly<Record<string, string>>,
  schema: JsonSchema,
): Record<string, unknown> {
  const fields = propertiesOf(schema);
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      Object.hasOwn(fields, name) ? typedValue(text, fields[name] as JsonSchema) : text,
    ]),
  );
}

function typedValue(text: string, schema: JsonSchema): unknown {
  const types = typesOf(schema);
  if (types.length === 0 || types.includes('string')) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (!types.includes('array') || Array.isArray(value)) return value;
  } catch {
    if (!types.includes('array')) return text;
  }
  // A list may be given as people write one.
  const items = (schema.items ?? {}) as JsonSchema;
  return text.split(',').map((part) => typedValue(part.trim(), items));
}

/** The JSON types that a field may have, through unions and lists of constants. */
function typesOf(schema: JsonSchema): string[] {
  const { type, anyOf, oneOf, enum: constants } = schema;
  if (Array.isArray(type)) return type as string[];
  if (typeof type === 'string') return [type];
  const union = (anyOf ?? oneOf) as readonly JsonSchema[] | undefined;
  if (union) return union.flatMap(typesOf);
  const known = (constants ?? ('const' in schema ? [schema.const] : [])) as readonly unknown[];
  return known.map((value) => typeof value);
}

/** `tag, users?, limit?`: what may be left out has the question mark. */
export function fieldsText({ input }: VendorOperation): string {
  const required = (input.required ?? []) as readonly string[];
  return Object.keys(propertiesOf(input))
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .join(', ');
}
