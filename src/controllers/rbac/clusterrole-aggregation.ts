/** ClusterRoles with an aggregation rule hold the rules of all the roles that it selects. */

import { apiVersionOf } from '../../api/meta.ts';
import { ClusterRole } from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import type * as rbac from '../../api/types/rbac-v1.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { canonicalJson } from '../pods/pod-template.ts';

export const clusterRoleAggregationController = defineController({
  name: 'ClusterRoleAggregator',
  component: 'clusterrole-aggregation-controller',
  reconciles: ClusterRole,
  watches: [
    watch(ClusterRole, function* (_role, _old, informers) {
      for (const role of informers.of(ClusterRole).list()) if (role.aggregationRule) yield role.metadata.name;
    }),
  ],
  async reconcile(name, cluster, signal) {
    const role = cluster.get(ClusterRole, name);
    const rules = role && planAggregation(role, cluster.informer(ClusterRole).list());
    if (!rules) return;
    // Applied, so that the rules show whose they are; the uid keeps a role that was just deleted from being made again.
    const applied = {
      apiVersion: apiVersionOf(ClusterRole),
      kind: ClusterRole.kind,
      metadata: { name, uid: role.metadata.uid },
      rules,
    };
    const fieldManager = 'clusterrole-aggregation-controller';
    await cluster.patch(ClusterRole, role, applied, { type: 'apply', fieldManager, force: true, signal });
  },
});

/** The rules that the role should have; undefined when it has them, or says itself what it allows. */
export function planAggregation(
  role: ClusterRole,
  all: Iterable<ClusterRole>,
): rbac.PolicyRule[] | undefined {
  if (!role.aggregationRule) return undefined;
  const rules = aggregateRules(role, all);
  return sameRules(role.rules ?? [], rules) ? undefined : rules;
}

/** Each rule once, ordered by the names of the roles that hold it. */
function aggregateRules(role: ClusterRole, all: Iterable<ClusterRole>): rbac.PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(compileLabelSelector);
  const rules = new Map<string, rbac.PolicyRule>();
  const sorted = [...all].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const selector of selectors)
    for (const other of sorted) {
      if (other.metadata.uid === role.metadata.uid || !selector(other.metadata.labels)) continue;
      for (const rule of other.rules ?? [])
        if (!rules.has(canonicalJson(rule))) rules.set(canonicalJson(rule), rule);
    }
  return [...rules.values()];
}

function sameRules(a: readonly rbac.PolicyRule[], b: readonly rbac.PolicyRule[]): boolean {
  return a.length === b.length && a.every((rule, index) => canonicalJson(rule) === canonicalJson(b[index]!));
}
