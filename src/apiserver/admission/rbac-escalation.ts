/** Roles and bindings: nobody grants what they do not hold. */
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { checkBindingEscalation, checkRoleEscalation } from '../authorization/escalation.ts';
import type { RbacAuthorizer } from '../authorization/rbac.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isWriteOf } from './pod-write.ts';

export function rbacEscalation(rbac: RbacAuthorizer, authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'RbacEscalation',
    async validate(attributes) {
      const { request, object, old } = attributes;
      const check = {
        rbac,
        authorize,
        user: request.user,
        plural: request.resource.plural,
        namespace: request.resource.namespaced ? request.namespace : '',
        name: request.name || object?.metadata.name || '',
      };
      if ([Role, ClusterRole].some((type) => isWriteOf(attributes, type, 'CREATE', 'UPDATE'))) {
        const rules = (object as Role).rules ?? [];
        if (old && JSON.stringify((old as Role).rules ?? []) === JSON.stringify(rules)) return;
        await checkRoleEscalation(check, rules);
      } else if (
        [RoleBinding, ClusterRoleBinding].some((type) => isWriteOf(attributes, type, 'CREATE', 'UPDATE'))
      ) {
        const binding = object as RoleBinding;
        const before = old as RoleBinding | undefined;
        if (before && JSON.stringify(contentOf(before)) === JSON.stringify(contentOf(binding))) return;
        await checkBindingEscalation(check, binding.roleRef);
      }
    },
  };
}

function contentOf({ roleRef, subjects }: RoleBinding): unknown {
  return [roleRef, subjects];
}
