import type { Vendor } from '@pushmill/vendors';
import { type Static, Type } from 'typebox';
import { notFound } from './problem.ts';
import { nullable, pageOf, problemAnswers, strict } from './schema.ts';
import type { Api, RouteDeps } from './server-types.ts';

const tags = ['vendors'];

const JsonSchema = Type.Record(Type.String(), Type.Unknown(), { description: 'JSON Schema' });

const VendorSchema = strict({
  name: Type.String({ description: 'As in `vendor` of a channel and `vendor.<name>` of a message' }),
  title: Type.String(),
  settings: JsonSchema,
  credential: JsonSchema,
  overrides: JsonSchema,
  audience: nullable(JsonSchema),
  environments: Type.Array(Type.String(), { description: 'Empty when there is only one' }),
  operations: Type.Array(strict({ name: Type.String(), summary: Type.String(), input: JsonSchema })),
  callsBack: Type.Boolean({ description: 'It reports by callbacks' }),
  isPolled: Type.Boolean({ description: 'It is asked what became of calls' }),
});

/** What this installation can speak to, and how: for whoever writes a form or a script. */
export function vendorRoutes(app: Api, { vendors }: RouteDeps): void {
  app.get(
    '/vendors',
    { schema: { tags, summary: 'All vendors', response: { 200: pageOf(VendorSchema), ...problemAnswers } } },
    async () => ({ items: Object.values(vendors).map(viewVendor), nextCursor: null }),
  );

  app.get(
    '/vendors/:name',
    {
      schema: {
        tags,
        summary: 'A vendor: its settings, credential, overrides, audiences and operations',
        params: strict({ name: Type.String({ maxLength: 64 }) }),
        response: { 200: VendorSchema, ...problemAnswers },
      },
    },
    async (request) => {
      const { name } = request.params;
      if (!Object.hasOwn(vendors, name)) throw notFound('vendor of this name');
      return viewVendor(vendors[name] as Vendor);
    },
  );
}

function viewVendor(vendor: Vendor): Static<typeof VendorSchema> {
  const json = (schema: object) => schema as Record<string, unknown>;
  return {
    name: vendor.name,
    title: vendor.title,
    settings: json(vendor.settingsSchema),
    credential: json(vendor.credentialSchema),
    overrides: json(vendor.overridesSchema),
    audience: vendor.audiences ? json(vendor.audiences.schema) : null,
    environments: [...(vendor.environments ?? [])],
    operations: Object.entries(vendor.operations ?? {}).map(([name, { summary, input }]) => ({
      name,
      summary,
      input: json(input),
    })),
    callsBack: vendor.readCallback !== undefined,
    isPolled: vendor.polling !== undefined,
  };
}
