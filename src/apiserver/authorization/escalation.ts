/** Users cannot grant permissions that they do not have, unless they are allowed to `escalate` or `bind`. */
import { forbidden, notFound } from '../../api/status.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { UserInfo } from '../request.ts';
import { type Authorizer, resourceQuestion } from './authorizer.ts';
import type { RbacAuthorizer } from './rbac.ts';
import { type PolicyRule, printRules, uncoveredRules } from './rules.ts';

export interface EscalationCheck {
  rbac: RbacAuthorizer;
  authorize: Authorizer;
  user: UserInfo;
  /** `roles`, `clusterroles`, `rolebindings`, `clusterrolebindings`. */
  plural: string;
  namespace: string;
  name: string;
}

const group = 'rbac.authorization.k8s.io';

/**
 * Before a role is created or what it grants changes; `isGathering`: it has, or had, an aggregation rule.
 * @throws StatusError 403 naming the rules that the user lacks.
 */
export async function checkRoleEscalation(
  check: EscalationCheck,
  { rules, isGathering = false }: { rules: readonly PolicyRule[]; isGathering?: boolean },
): Promise<void> {
  const { user, plural: resource, namespace, name } = check;
  if (user.groups.includes(mastersGroup)) return;
  if (await mayDo(check, { verb: 'escalate', resource, namespace, name })) return;
  refuseUncovered(check, rules);
  if (isGathering) refuseGathering(check);
}

/**
 * Before a binding is created or changed.
 * @throws StatusError 404 when its role is not there, 403 naming the rules that the user lacks.
 */
export async function checkBindingEscalation(
  check: EscalationCheck,
  roleRef: { kind: string; name: string },
): Promise<void> {
  const { rbac, user, namespace } = check;
  if (user.groups.includes(mastersGroup)) return;
  const rolePlural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (await mayDo(check, { verb: 'bind', resource: rolePlural, namespace, name: roleRef.name })) return;
  const rules = rbac.roleRules(roleRef, namespace);
  if (!rules) throw notFound({ group, plural: check.plural }, roleRef.name);
  refuseUncovered(check, rules);
}

/** The future rules of an aggregated role are not known yet. */
function refuseGathering({ rbac, user, plural, name }: EscalationCheck): void {
  const everything = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  if (uncoveredRules(rbac.rulesFor(user, '').rules, everything).length > 0)
    throw forbidden({ group, plural }, name, 'must have cluster-admin privileges to use the aggregationRule');
}

function refuseUncovered(
  { rbac, user, plural, namespace, name }: EscalationCheck,
  rules: readonly PolicyRule[],
): void {
  const missing = uncoveredRules(rbac.rulesFor(user, namespace).rules, rules);
  if (missing.length === 0) return;
  const groups = user.groups.map((item) => JSON.stringify(item)).join(' ');
  const who = `user ${JSON.stringify(user.name)} (groups=[${groups}])`;
  const why = `${who} is attempting to grant RBAC permissions not currently held:\n${printRules(missing)}`;
  throw forbidden({ group, plural }, name, why);
}

interface RbacAction {
  verb: 'bind' | 'escalate';
  /** A role or a cluster role. */
  resource: string;
  namespace: string;
  name: string;
}

async function mayDo(
  { authorize, user }: EscalationCheck,
  { verb, resource, namespace, name }: RbacAction,
): Promise<boolean> {
  const where = { namespace: resource === 'clusterroles' && verb === 'escalate' ? '' : namespace, name };
  return (await authorize(resourceQuestion({ user, verb, group, resource, ...where }))).allowed;
}
