/** NamespaceLifecycle: nothing new in a namespace that is not there or is going away, and some namespaces stay. */
import { reportedName } from '../../api/meta.ts';
import { Namespace } from '../../api/resources.gen.ts';
import { forbidden, notFound, type StatusError } from '../../api/status.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const undeletable = new Set(['default', 'kube-system', 'kube-public']);

export function namespaceLifecycle(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    mutate(attributes) {
      const { operation, request } = attributes;
      const { resource, namespace, name } = request;
      const { plural, group } = resource.definition.type;
      if (plural === 'namespaces' && group === '') {
        if (operation === 'DELETE' && undeletable.has(name))
          throw forbidden({ group, plural }, name, 'this namespace may not be deleted');
        return;
      }
      if (!resource.namespaced || operation !== 'CREATE') return;
      const found = objects.get(Namespace, '', namespace);
      if (!found) throw notFound(Namespace, namespace);
      if (found.metadata.deletionTimestamp) throw terminating(attributes, namespace);
    },
  };
}

function terminating({ request, object }: AdmissionAttributes, namespace: string): StatusError {
  const name = request.name || (object ? reportedName(object.metadata) : '');
  const error = forbidden(
    request.resource,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  error.status.details!.causes = [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    },
  ];
  return error;
}
