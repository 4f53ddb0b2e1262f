/** ServiceCIDRs and IPAddresses: the ranges that Service addresses come from, and the addresses taken. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { invalidValue, required } from '../field-error.ts';
import { IPAddress, ServiceCIDR } from '../resources.gen.ts';
import { cidr, parseAddress, parseRange } from '../validation/addresses.ts';
import { immutable, nameRule } from '../validation/fields.ts';

export const serviceCidrKind = defineKind(ServiceCIDR, {
  status: 'separate',
  hasGeneration: true,
  columns: [nameColumn, column('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn],
  prepareCreate(range) {
    range.status = {};
  },
  prepareUpdate(range, old) {
    if (old.status) range.status = old.status;
  },
  prepareStatusUpdate(range, old) {
    range.spec = old.spec;
  },
  *validate({ spec }, { subresource }) {
    if (subresource === 'status') return;
    const ranges = spec?.cidrs ?? [];
    if (ranges.length === 0) yield required('spec.cidrs', 'at least one CIDR required');
    if (ranges.length > 2) yield invalidValue('spec.cidrs', ranges, 'may only hold up to 2 values');
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
  versions: ['v1beta1'],
});

export const ipAddressKind = defineKind(IPAddress, {
  hasGeneration: true,
  columns: [
    nameColumn,
    column('ParentRef', ({ spec }) => {
      const parent = spec?.parentRef;
      if (!parent) return '<none>';
      return [parent.group, parent.resource, parent.namespace, parent.name].filter(Boolean).join('/');
    }),
    ageColumn,
  ],
  validateName: nameRule((name) =>
    parseAddress(name) ? [] : ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ),
  *validate({ spec }) {
    if (!spec?.parentRef) {
      yield required('spec.parentRef');
      return;
    }
    if (!spec.parentRef.resource) yield required('spec.parentRef.resource');
    if (!spec.parentRef.name) yield required('spec.parentRef.name');
  },
  *validateUpdate(address, old) {
    yield* immutable(address.spec?.parentRef, old.spec?.parentRef, 'spec.parentRef');
  },
  selectableFields: ({ spec }) => ({
    'spec.parentRef.group': spec?.parentRef?.group ?? '',
    'spec.parentRef.resource': spec?.parentRef?.resource ?? '',
    'spec.parentRef.namespace': spec?.parentRef?.namespace ?? '',
    'spec.parentRef.name': spec?.parentRef?.name ?? '',
  }),
  versions: ['v1beta1'],
});
