/** Roles and bindings: users cannot grant permissions that they do not have. */
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { checkBindingEscalation, checkRoleEscalation } from '../authorization/escalation.ts';
import type { RbacAuthorizer } from '../authorization/rbac.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';
import { changesOnlyOwners } from './owner-changes.ts';
import { isWriteOf } from './writes.ts';

export function rbacEscalation(rbac: RbacAuthorizer, authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'RbacEscalation',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(Role), writesOf(ClusterRole), writesOf(RoleBinding), writesOf(ClusterRoleBinding)],
    validate(attributes) {
      const { request, object, old } = attributes;
      if (old && changesOnlyOwners(object!, old)) return undefined;
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
