import type { Vendor } from '@pushmill/vendors';
import { type Check, createCheck, fieldName } from './validation.ts';

const audienceChecks = new WeakMap<Vendor, Check>();

/** By the `kind` that is given, so that a wrong field is named and not just "none of these forms". */
export function audienceCheck(vendor: Vendor): Check {
  let check = audienceChecks.get(vendor);
  if (!check) {
    check = createUnionCheck(vendor);
    audienceChecks.set(vendor, check);
  }
  return check;
}

function createUnionCheck(vendor: Vendor): Check {
  type Form = { properties?: { kind?: { const?: string } } };
  const schema = vendor.audiences?.schema as { anyOf?: Form[] } & Form;
  const byKind = new Map<unknown, Check[]>();
  for (const form of schema.anyOf ?? [schema]) {
    const kind = form.properties?.kind?.const;
    byKind.set(kind, [...(byKind.get(kind) ?? []), createCheck(form as never)]);
  }
  const kinds = [...byKind.keys()].join(', ');
  return (value, base = '') => {
    const checks = byKind.get((value as { kind?: unknown }).kind);
    if (!checks) {
      const detail = `${fieldName(base)}.kind must be one of: ${kinds}.`;
      return [{ pointer: `${base}/kind`, code: 'not-allowed', detail }];
    }
    const findings = checks.map((check) => check(value, base));
    // Of several forms of one kind, the one that the value is nearest to speaks.
    return findings.reduce((best, found) => (found.length < best.length ? found : best));
  };
}
