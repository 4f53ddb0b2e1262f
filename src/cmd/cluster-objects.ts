/** Objects that every cluster of Wherry has besides those of upstream: what node agents may read, and cluster DNS. */
import type { Draft } from '../api/meta.ts';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../api/resources.gen.ts';
import { StatusError } from '../api/status.ts';
import type { Client } from '../client/client.ts';
import { agentGroup } from '../host/cluster-pki.ts';
import { ensureDnsObjects } from '../network/dns/dns-objects.ts';

const read = ['get', 'list', 'watch'];
const roleName = 'wherry-agents';

/** A node agent is kubelet, service proxy, DNS server and policy agent in one; the latter three read all of these. */
const agentRole: Draft<ClusterRole> = {
  metadata: { name: roleName, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
  rules: [
    { apiGroups: [''], resources: ['services', 'endpoints', 'nodes', 'namespaces', 'pods'], verbs: read },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies', 'ingressclasses'], verbs: read },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  ],
};

/** Settings of cluster DNS and the like; a list cannot be limited to names. */
const agentSettingsRole: Draft<Role> = {
  metadata: { ...agentRole.metadata, namespace: 'kube-system' },
  rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: read }],
};

const agentSettingsBinding: Draft<RoleBinding> = {
  metadata: agentSettingsRole.metadata,
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: roleName },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: agentGroup }],
};

const agentBinding: Draft<ClusterRoleBinding> = {
  metadata: agentRole.metadata,
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: agentGroup }],
};

export async function ensureClusterObjects(
  client: Client,
  dns: { address: string; clusterDomain: string },
): Promise<void> {
  await ensureDnsObjects(client, dns);
  await createOrKeep(() => client.create(ClusterRole, agentRole));
  await createOrKeep(() => client.create(ClusterRoleBinding, agentBinding));
  await createOrKeep(() => client.create(Role, agentSettingsRole));
  await createOrKeep(() => client.create(RoleBinding, agentSettingsBinding));
}

async function createOrKeep(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (error) {
    if (!(error instanceof StatusError && error.reason === 'AlreadyExists')) throw error;
  }
}
