/**
 * The roles and bindings that every cluster has from the start, with upstream's names, so that manifests and charts
 * which refer to them work, and permissions are what users expect. Source: upstream's documentation of default roles.
 */
import type { Draft } from '../meta.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../resources.gen.ts';
import { nodeNetworkAccount } from '../well-known.ts';
import { controllerRules } from './controller-roles.ts';
import {
  allow,
  allowPaths,
  events,
  everything,
  type PolicyRule,
  read,
  reviewsOfAccess,
  write,
} from './policy-rules.ts';

type Subject = NonNullable<RoleBinding['subjects']>[number];

const rbacGroup = 'rbac.authorization.k8s.io';
const bootstrapping = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
/** Without it, a default that was changed is restored at the next start. */
const autoUpdate = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' };

/** What a namespace's users may see, change and manage: the parts of `view`, `edit` and `admin`. */
const viewRules: PolicyRule[] = [
  allow(
    read,
    '',
    'configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status',
  ),
  allow(
    read,
    '',
    'bindings,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status',
  ),
  allow(read, '', 'namespaces'),
  allow(read, ',events.k8s.io', 'events'),
  allow(read, 'discovery.k8s.io', 'endpointslices'),
  allow(
    read,
    'apps',
    'controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status',
  ),
  allow(read, 'autoscaling', 'horizontalpodautoscalers,horizontalpodautoscalers/status'),
  allow(read, 'batch', 'cronjobs,cronjobs/status,jobs,jobs/status'),
  allow(
    read,
    'extensions',
    'daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale',
  ),
  allow(read, 'policy', 'poddisruptionbudgets,poddisruptionbudgets/status'),
  allow(read, 'networking.k8s.io', 'ingresses,ingresses/status,networkpolicies'),
  allow(read, 'resource.k8s.io', 'resourceclaims,resourceclaims/status,resourceclaimtemplates'),
];

const editRules: PolicyRule[] = [
  allow(read, '', 'pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy'),
  allow('impersonate', '', 'serviceaccounts'),
  allow(write, '', 'pods,pods/attach,pods/exec,pods/portforward,pods/proxy'),
  allow('create', '', 'pods/eviction'),
  allow(
    write,
    '',
    'configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy',
  ),
  allow('create', '', 'serviceaccounts/token'),
  allow(write, ',events.k8s.io', 'events'),
  allow(
    write,
    'apps',
    'daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale',
  ),
  allow(write, 'autoscaling', 'horizontalpodautoscalers'),
  allow(write, 'batch', 'cronjobs,jobs'),
  allow(
    write,
    'extensions',
    'daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale',
  ),
  allow(write, 'policy', 'poddisruptionbudgets'),
  allow(write, 'networking.k8s.io', 'ingresses,networkpolicies'),
  allow(everything, 'coordination.k8s.io', 'leases'),
  allow(write, 'resource.k8s.io', 'resourceclaims,resourceclaimtemplates'),
];

const adminRules: PolicyRule[] = [
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  allow(everything, rbacGroup, 'rolebindings,roles'),
];

/** What every node may do, whatever runs on it; the node authorizer decides on the objects. */
export const nodeRules: readonly PolicyRule[] = [
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews,subjectaccessreviews'),
  allow(read, '', 'services'),
  allow('create,get,list,watch', '', 'nodes'),
  allow('patch,update', '', 'nodes/status'),
  allow('patch,update', '', 'nodes'),
  ...events,
  allow(read, '', 'pods'),
  allow('create,delete', '', 'pods'),
  allow('patch,update', '', 'pods/status'),
  allow('create', '', 'pods/eviction'),
  allow(read, '', 'configmaps,secrets'),
  allow('get', '', 'persistentvolumeclaims,persistentvolumes'),
  allow('get', '', 'endpoints'),
  allow('create,get,list,watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  allow('create,delete,get,patch,update', 'coordination.k8s.io', 'leases'),
  allow('get', 'storage.k8s.io', 'volumeattachments'),
  allow('create', '', 'serviceaccounts/token'),
  allow('get,patch,update', '', 'persistentvolumeclaims/status'),
  allow(read, 'storage.k8s.io', 'csidrivers'),
  allow('create,delete,get,patch,update', 'storage.k8s.io', 'csinodes'),
  allow(read, 'node.k8s.io', 'runtimeclasses'),
  allow('get', 'resource.k8s.io', 'resourceclaims'),
  allow('deletecollection', 'resource.k8s.io', 'resourceslices'),
  allow(read, 'certificates.k8s.io', 'clustertrustbundles'),
  allow('get', '', 'serviceaccounts'),
];

const certificateRole = (signer: string, verb = 'approve') => [
  allow(verb, 'certificates.k8s.io', 'signers', `kubernetes.io/${signer}`),
];

const clusterRules: Readonly<Record<string, readonly PolicyRule[]>> = {
  'cluster-admin': [allow('*', '*', '*'), allowPaths('*', '*')],
  'system:discovery': [
    allowPaths(
      'get',
      '/api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/',
    ),
  ],
  'system:public-info-viewer': [allowPaths('get', '/healthz,/livez,/readyz,/version,/version/')],
  'system:basic-user': [
    allow('create', 'authorization.k8s.io', 'selfsubjectaccessreviews,selfsubjectrulesreviews'),
    allow('create', 'authentication.k8s.io', 'selfsubjectreviews'),
  ],
  'system:monitoring': [
    allowPaths(
      'get',
      '/flagz,/healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*,/statusz',
    ),
    allow('get', '', 'nodes/metrics'),
  ],
  'system:auth-delegator': reviewsOfAccess,
  'system:heapster': [
    allow(read, '', 'events,namespaces,nodes,pods'),
    allow(read, 'extensions', 'deployments'),
  ],
  'system:kube-aggregator': [allow(read, '', 'endpoints,services')],
  'system:kube-controller-manager': [
    ...events,
    allow('create', 'coordination.k8s.io', 'leases'),
    allow('get,update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
    allow('create', '', 'secrets,serviceaccounts'),
    allow('delete', '', 'secrets'),
    allow('get', '', 'configmaps,namespaces,secrets,serviceaccounts'),
    allow('update', '', 'secrets,serviceaccounts'),
    ...reviewsOfAccess,
    allow('list,watch', '*', '*'),
    allow('create', '', 'serviceaccounts/token'),
  ],
  'system:kube-dns': [allow('list,watch', '', 'endpoints,services')],
  'system:kube-scheduler': [
    ...events,
    allow('create', 'coordination.k8s.io', 'leases'),
    allow('get,list,update,watch', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
    allow(everything, 'coordination.k8s.io', 'leasecandidates'),
    allow(read, '', 'nodes'),
    allow('delete,get,list,watch', '', 'pods'),
    allow('create', '', 'bindings,pods/binding'),
    allow('patch,update', '', 'pods/status'),
    allow(read, '', 'replicationcontrollers,services'),
    allow(read, 'apps,extensions', 'replicasets'),
    allow(read, 'apps', 'statefulsets'),
    allow(read, 'policy', 'poddisruptionbudgets'),
    allow(read, '', 'persistentvolumeclaims,persistentvolumes'),
    ...reviewsOfAccess,
    allow(read, 'storage.k8s.io', 'csinodes'),
    allow(read, 'storage.k8s.io', 'volumeattachments'),
    allow(read, '', 'namespaces'),
    allow(read, 'storage.k8s.io', 'csidrivers'),
    allow(read, 'storage.k8s.io', 'csistoragecapacities'),
    allow(read, 'resource.k8s.io', 'deviceclasses'),
    allow('get,list,patch,update,watch', 'resource.k8s.io', 'resourceclaims'),
    allow('get,list,patch,update,watch', 'resource.k8s.io', 'resourceclaims/status'),
    allow('update', '', 'pods/finalizers'),
    allow(read, 'resource.k8s.io', 'resourceslices'),
    allow(read, 'resource.k8s.io', 'devicetaintrules'),
    allow('create,delete', 'resource.k8s.io', 'resourceclaims'),
    allow('patch,update', 'resource.k8s.io', 'resourceclaims/binding'),
  ],
  'system:volume-scheduler': [
    allow('get,list,patch,update,watch', '', 'persistentvolumes'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    allow('get,list,patch,update,watch', '', 'persistentvolumeclaims'),
  ],
  'system:node': nodeRules,
  'system:node-bootstrapper': [
    allow('create,get,list,watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  ],
  'system:node-problem-detector': [allow('get', '', 'nodes'), allow('patch', '', 'nodes/status'), ...events],
  'system:node-proxier': [
    allow('list,watch', '', 'endpoints,services'),
    allow(read, '', 'nodes'),
    ...events,
    allow('list,watch', 'networking.k8s.io', 'servicecidrs'),
    allow('list,watch', 'discovery.k8s.io', 'endpointslices'),
  ],
  'system:persistent-volume-provisioner': [
    allow('create,delete,get,list,watch', '', 'persistentvolumes'),
    allow('get,list,update,watch', '', 'persistentvolumeclaims'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    allow('watch', '', 'events'),
    ...events,
  ],
  'system:kubelet-api-admin': [
    allow(read, '', 'nodes'),
    allow('proxy', '', 'nodes'),
    allow('*', '', 'nodes/log,nodes/metrics,nodes/proxy,nodes/stats'),
    allow('*', '', 'nodes/configz,nodes/healthz,nodes/pods'),
  ],
  'system:service-account-issuer-discovery': [
    allowPaths(
      'get',
      '/.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/',
    ),
  ],
  'system:cluster-trust-bundle-discovery': [allow(read, 'certificates.k8s.io', 'clustertrustbundles')],
  'system:certificates.k8s.io:certificatesigningrequests:nodeclient': [
    allow('create', 'certificates.k8s.io', 'certificatesigningrequests/nodeclient'),
  ],
  'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient': [
    allow('create', 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient'),
  ],
  'system:certificates.k8s.io:kube-apiserver-client-approver': certificateRole('kube-apiserver-client'),
  'system:certificates.k8s.io:kube-apiserver-client-kubelet-approver': certificateRole(
    'kube-apiserver-client-kubelet',
  ),
  'system:certificates.k8s.io:kubelet-serving-approver': certificateRole('kubelet-serving'),
  'system:certificates.k8s.io:legacy-unknown-approver': certificateRole('legacy-unknown'),
  // A node's proxy, DNS, policies and addresses: they read the objects of all nodes.
  'wherry:node-network': [
    allow(read, '', 'namespaces,nodes,pods,services'),
    ...events,
    allow(read, 'discovery.k8s.io', 'endpointslices'),
    allow(read, 'networking.k8s.io', 'ingressclasses,ingresses,networkpolicies,servicecidrs'),
  ],
  'system:aggregate-to-view': viewRules,
  'system:aggregate-to-edit': editRules,
  'system:aggregate-to-admin': adminRules,
};

const aggregateTo = (role: string) => ({ [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' });
const extraLabels: Readonly<Record<string, Record<string, string>>> = {
  'system:aggregate-to-view': aggregateTo('view'),
  'system:aggregate-to-edit': aggregateTo('edit'),
  'system:aggregate-to-admin': aggregateTo('admin'),
  view: aggregateTo('edit'),
  edit: aggregateTo('admin'),
};

/** Made of every role that carries the label; the rules stand in until the controller has put them together. */
const aggregated: Readonly<Record<string, readonly PolicyRule[]>> = {
  view: viewRules,
  edit: [...editRules, ...viewRules],
  admin: [...adminRules, ...editRules, ...viewRules],
};

/** What upstream's controllers may do, each under its own account: for controllers that run in addition to Wherry's. */
const controllerPrefix = 'system:controller:';

export const defaultClusterRoles: readonly Draft<ClusterRole>[] = [
  ...Object.entries(controllerRules).map(([name, rules]) => ({
    metadata: { name: `${controllerPrefix}${name}`, labels: bootstrapping, annotations: autoUpdate },
    rules: [...rules],
  })),
  ...Object.entries(clusterRules).map(([name, rules]) => ({
    metadata: { name, labels: { ...bootstrapping, ...extraLabels[name] }, annotations: autoUpdate },
    rules: [...rules],
  })),
  ...Object.entries(aggregated).map(([name, rules]) => ({
    metadata: { name, labels: { ...bootstrapping, ...extraLabels[name] }, annotations: autoUpdate },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregateTo(name) }] },
    rules: [...rules],
  })),
];

const user = (name: string): Subject => ({ kind: 'User', apiGroup: rbacGroup, name });
const group = (name: string): Subject => ({ kind: 'Group', apiGroup: rbacGroup, name });
const account = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });

const clusterSubjects: Readonly<Record<string, readonly Subject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:monitoring': [group('system:monitoring')],
  'system:discovery': [group('system:authenticated')],
  'system:basic-user': [group('system:authenticated')],
  'system:public-info-viewer': [group('system:authenticated'), group('system:unauthenticated')],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [account('kube-dns')],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
  // Nodes are authorized by the node authorizer, not by this binding.
  'system:node': [],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'wherry:node-network': [account(nodeNetworkAccount.name)],
};

const controllerSubjects = Object.keys(controllerRules).map(
  (name) => [`${controllerPrefix}${name}`, [account(name)]] as const,
);

export const defaultClusterRoleBindings: readonly Draft<ClusterRoleBinding>[] = [
  ...Object.entries(clusterSubjects),
  ...controllerSubjects,
].map(([name, subjects]) => ({
  metadata: { name, labels: bootstrapping, annotations: autoUpdate },
  roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
  ...(subjects.length > 0 && { subjects: [...subjects] }),
}));

interface NamespacedRole {
  namespace: string;
  name: string;
  rules: PolicyRule[];
  binding: string;
  subjects: Subject[];
}

const leaderLock = (component: string, others: Subject[] = []): NamespacedRole => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${component}`,
  rules: [
    allow('create,get,list,update,watch', 'coordination.k8s.io', 'leases'),
    allow('create,get,list,update,watch', 'coordination.k8s.io', 'leasecandidates'),
  ],
  binding: `system::leader-locking-${component}`,
  subjects: [user(`system:${component}`), account(component), ...others],
});

const namespacedRoles: readonly NamespacedRole[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [allow(read, '', 'configmaps', 'extension-apiserver-authentication')],
    binding: 'system::extension-apiserver-authentication-reader',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:token-cleaner',
    rules: [allow(`delete,${read}`, '', 'secrets'), ...events],
    binding: 'system:controller:token-cleaner',
    subjects: [account('token-cleaner')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:bootstrap-signer',
    rules: [allow(read, '', 'secrets')],
    binding: 'system:controller:bootstrap-signer',
    subjects: [account('bootstrap-signer')],
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:cloud-provider',
    rules: [allow('create,get,list,watch', '', 'configmaps')],
    binding: 'system:controller:cloud-provider',
    subjects: [account('cloud-provider')],
  },
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [allow(read, '', 'configmaps'), allow('update', '', 'configmaps', 'cluster-info'), ...events],
    binding: 'system:controller:bootstrap-signer',
    subjects: [account('bootstrap-signer')],
  },
  {
    // Settings such as those of cluster DNS; a list cannot be restricted to names.
    namespace: nodeNetworkAccount.namespace,
    name: 'wherry:node-network',
    rules: [allow(read, '', 'configmaps')],
    binding: 'wherry:node-network',
    subjects: [account(nodeNetworkAccount.name)],
  },
  {
    namespace: nodeNetworkAccount.namespace,
    name: 'wherry:node-network-token',
    rules: [allow('create', '', 'serviceaccounts/token', nodeNetworkAccount.name)],
    binding: 'wherry:node-network-token',
    subjects: [group('system:nodes')],
  },
  leaderLock('kube-controller-manager', [account('leader-election-controller')]),
  leaderLock('kube-scheduler'),
];

export const defaultRoles: readonly Draft<Role>[] = namespacedRoles.map(({ namespace, name, rules }) => ({
  metadata: { namespace, name, labels: bootstrapping, annotations: autoUpdate },
  rules,
}));

export const defaultRoleBindings: readonly Draft<RoleBinding>[] = namespacedRoles.map(
  ({ namespace, name, binding, subjects }) => ({
    metadata: { namespace, name: binding, labels: bootstrapping, annotations: autoUpdate },
    roleRef: { apiGroup: rbacGroup, kind: 'Role', name },
    subjects,
  }),
);
