/** ServiceCIDRs: the ranges that Service addresses come from. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ServiceCIDR } from '../resources.gen.ts';
import { cidr, parseRange } from '../validation/addresses.ts';
import { innerForm } from '../validation/error-value.ts';
import { invalidValue, required } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';

export const serviceCidrKind = defineKind(ServiceCIDR, {
  status: 'separate',
  columns: [nameColumn, column('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn],
  prepareCreate(range) {
    range.status = {};
  },
  *validate({ spec }, { subresource }) {
    if (subresource === 'status') return;
    const ranges = spec?.cidrs ?? [];
    if (ranges.length === 0) yield required('spec.cidrs', 'at least one CIDR required');
    if (ranges.length > 2)
      yield invalidValue(
        'spec.cidrs',
        innerForm('networking.ServiceCIDRSpec', spec),
        'may only hold up to 2 values',
      );
    for (const [index, range] of ranges.entries()) yield* cidr(range, `spec.cidrs[${index}]`);
    const families = ranges.map((range) => parseRange(range)?.bytes.length);
    if (families.length === 2 && families[0] === families[1])
      yield invalidValue(
        'spec.cidrs',
        ranges,
        'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      );
  },
  *validateUpdate(range, old, { subresource }) {
    if (subresource !== 'status') yield* immutable(range.spec?.cidrs, old.spec?.cidrs, 'spec.cidrs');
  },
  versions: [{ version: 'v1beta1', deprecation: { since: '1.34', removedIn: '1.37' } }],
});
