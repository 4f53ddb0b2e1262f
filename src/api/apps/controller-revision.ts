/** ControllerRevisions: what StatefulSets and DaemonSets remember of their templates. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { controllerOf, parseApiVersion } from '../meta.ts';
import { ControllerRevision } from '../resources.gen.ts';
import { required } from '../validation/field-error.ts';
import { immutable, nonNegative } from '../validation/fields.ts';

export const controllerRevisionKind = defineKind(ControllerRevision, {
  columns: [
    nameColumn,
    column('Controller', controllerCell),
    column('Revision', (revision) => revision.revision),
    ageColumn,
  ],
  *validate(revision) {
    if (revision.data === undefined || revision.data === null) yield required('data', 'data is mandatory');
    else if (typeof revision.data !== 'object' || Array.isArray(revision.data))
      yield required('data', 'data must be a valid JSON object');
    yield* nonNegative(revision.revision, 'revision');
  },
  *validateUpdate(revision, old) {
    yield* immutable(revision.data, old.data, 'data');
  },
  versions: [
    {
      version: 'v1beta2',
      deprecation: { since: '1.9', removedIn: '1.16', replacement: 'apps/v1 ControllerRevision' },
    },
    {
      version: 'v1beta1',
      deprecation: { since: '1.8', removedIn: '1.16', replacement: 'apps/v1 ControllerRevision' },
    },
  ],
});

/** `statefulset.apps/web`, or `<none>`. */
function controllerCell(revision: ControllerRevision): string {
  const owner = controllerOf(revision);
  if (!owner) return '<none>';
  const { group } = parseApiVersion(owner.apiVersion);
  const kind = owner.kind.toLowerCase();
  return `${group ? `${kind}.${group}` : kind}/${owner.name}`;
}
