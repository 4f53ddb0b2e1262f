/** IPAddresses: each allocated Service address, and its owner. */
import { column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { IPAddress } from '../resources.gen.ts';
import { parseAddress } from '../validation/addresses.ts';
import { required } from '../validation/field-error.ts';
import { immutable, invalidFor, nameRule } from '../validation/fields.ts';
import { pathSegmentProblems, subdomainProblems } from '../validation/names.ts';

/** Says who takes and frees an address; of the addresses of Services that is {@link serviceAllocator}. */
export const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
export const serviceAllocator = 'ipallocator.k8s.io';

export const ipAddressKind = defineKind(IPAddress, {
  columns: [
    nameColumn,
    column('ParentRef', ({ spec }) => {
      const parent = spec?.parentRef;
      if (!parent) return '<none>';
      return [parent.group, parent.resource, parent.namespace, parent.name].filter(Boolean).join('/');
    }),
  ],
  validateName: nameRule((name) =>
    parseAddress(name) ? [] : ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ),
  *validate({ spec }) {
    if (!spec?.parentRef) {
      yield required('spec.parentRef');
      return;
    }
    const { group, resource, namespace, name } = spec.parentRef;
    if (group) yield* invalidFor('spec.parentRef.group', group, subdomainProblems(group));
    if (!resource) yield required('spec.parentRef.resource');
    else yield* invalidFor('spec.parentRef.resource', resource, pathSegmentProblems(resource));
    if (!name) yield required('spec.parentRef.name');
    else yield* invalidFor('spec.parentRef.name', name, pathSegmentProblems(name));
    if (namespace) yield* invalidFor('spec.parentRef.namespace', namespace, pathSegmentProblems(namespace));
  },
  *validateUpdate(address, old) {
    yield* immutable(
      address.spec?.parentRef,
      old.spec?.parentRef,
      'spec.parentRef',
      'networking.ParentReference',
    );
  },
  selectableFields: ({ spec }) => ({
    'spec.parentRef.group': spec?.parentRef?.group ?? '',
    'spec.parentRef.resource': spec?.parentRef?.resource ?? '',
    'spec.parentRef.namespace': spec?.parentRef?.namespace ?? '',
    'spec.parentRef.name': spec?.parentRef?.name ?? '',
  }),
  versions: [{ version: 'v1beta1', deprecation: { since: '1.34', removedIn: '1.37' } }],
});
