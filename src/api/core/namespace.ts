/** Namespaces. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Namespace } from '../resources.gen.ts';
import { invalidValue } from '../validation/field-error.ts';
import { invalidFor, nameRule } from '../validation/fields.ts';
import { dnsLabelProblems, qualifiedNameProblems } from '../validation/names.ts';

/** The label by which selectors can name a single namespace. */
const namespaceNameLabel = 'kubernetes.io/metadata.name';
const namespaceFinalizer = 'kubernetes';

export const namespaceKind = defineKind(Namespace, {
  status: 'separate',
  // Whole clusters are not deleted by one request.
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  columns: [nameColumn, column('Status', (namespace) => namespace.status?.phase ?? ''), ageColumn],
  validateName: nameRule(dnsLabelProblems),
  defaults(namespace) {
    const { name, labels } = namespace.metadata;
    // A new map: the present one may be shared with the sender of the object.
    if (name && labels?.[namespaceNameLabel] !== name)
      namespace.metadata.labels = { ...labels, [namespaceNameLabel]: name };
    if (namespace.status && !namespace.status.phase)
      namespace.status = { ...namespace.status, phase: 'Active' };
  },
  prepareCreate(namespace) {
    namespace.status = { phase: 'Active' };
    namespace.spec ??= {};
    const finalizers = namespace.spec.finalizers ?? [];
    if (!finalizers.includes(namespaceFinalizer))
      namespace.spec.finalizers = [...finalizers, namespaceFinalizer];
  },
  prepareUpdate(namespace, old) {
    // Finalizers go through /finalize only.
    namespace.spec = { ...namespace.spec };
    if (old.spec?.finalizers) namespace.spec.finalizers = old.spec.finalizers;
    else delete namespace.spec.finalizers;
  },
  prepareDeletion(namespace) {
    // How long it takes is up to what is in it.
    delete namespace.metadata.deletionGracePeriodSeconds;
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
  *validate(namespace) {
    for (const finalizer of namespace.spec?.finalizers ?? []) {
      yield* invalidFor('spec.finalizers', finalizer, qualifiedNameProblems(finalizer));
      if (!finalizer.includes('/') && finalizer !== namespaceFinalizer)
        yield invalidValue(
          'spec.finalizers',
          finalizer,
          'name is neither a standard finalizer name nor is it fully qualified',
        );
    }
  },
  *validateUpdate(namespace, old, { subresource }) {
    if (subresource !== 'status') return;
    const phase = namespace.status?.phase ?? '';
    const [expected, why] = old.metadata.deletionTimestamp
      ? ['Terminating', 'not empty']
      : ['Active', 'empty'];
    if (phase !== expected)
      yield invalidValue(
        'status.Phase',
        phase,
        `may only be '${expected}' if \`deletionTimestamp\` is ${why}`,
      );
  },
  selectableFields: (namespace) => ({
    name: namespace.metadata.name,
    'status.phase': namespace.status?.phase ?? '',
  }),
});
