/** Roles and bindings: users cannot grant permissions that they do not have. */
import type { KubeObject } from '../../api/meta.ts';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import { semanticEqual } from '../../api/validation/equality.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { checkBindingEscalation, checkRoleEscalation } from '../authorization/escalation.ts';
import type { RbacAuthorizer } from '../authorization/rbac.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';
import { isWriteOf } from './writes.ts';

export function rbacEscalation(rbac: RbacAuthorizer, authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'RbacEscalation',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(Role), writesOf(ClusterRole), writesOf(RoleBinding), writesOf(ClusterRoleBinding)],
    validate(attributes) {
      const { request, object, old } = attributes;
      if (old && isForGarbageCollection(object!, old)) return undefined;
      const check = {
        rbac,
        authorize,
        user: request.user,
        plural: request.resource.plural,
        namespace: request.resource.namespaced ? request.namespace : '',
        name: request.name || object!.metadata.name || '',
      };
      const isRole = [Role, ClusterRole].some((type) => isWriteOf(attributes, type, 'CREATE', 'UPDATE'));
      if (!isRole) return checkBindingEscalation(check, (object as RoleBinding).roleRef);
      const [role, before] = [object as ClusterRole, old as ClusterRole | undefined];
      const isGathering = [role, before].some(
        (each) => !!each?.aggregationRule?.clusterRoleSelectors?.length,
      );
      return checkRoleEscalation(check, { rules: role.rules ?? [], isGathering });
    },
  };
}

/**
 * Owners and finalizers affect an object's deletion, and grant nothing. Everything else may, including labels: by them
 * a role becomes part of another.
 */
function isForGarbageCollection(next: KubeObject, before: KubeObject): boolean {
  return semanticEqual(withoutOwners(next), withoutOwners(before));
}

function withoutOwners({ metadata, ...rest }: KubeObject): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...others } = metadata;
  return { ...rest, metadata: others };
}
