/** What the chart of a large operator holds: definitions with deep schemas, accounts, roles and bindings. */

export interface BundleOptions {
  group: string;
  namespace: string;
  /** Each has a definition, an account, and a role that is bound to it. */
  kinds: number;
}

/** About as much as the schemas of real ones hold. */
const sectionsCount = 12;
const fieldsPerSection = 12;
const text =
  'What this field is for is described at some length, as the documentation of real operators does it.';

/** A list of them all, as kubectl takes it. */
export function operatorBundle({ group, namespace, kinds }: BundleOptions): string {
  const rbac = 'rbac.authorization.k8s.io';
  const clusterRole = (name: string, aggregatedTo: string, verbs: string[]) => ({
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name, labels: { [`${rbac}/aggregate-to-${aggregatedTo}`]: 'true' } },
    rules: [{ apiGroups: [group], resources: ['*'], verbs }],
  });
  const documents: object[] = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    clusterRole('operators-view', 'view', ['get', 'list', 'watch']),
    clusterRole('operators-edit', 'edit', ['create', 'update', 'patch', 'delete']),
  ];
  for (let index = 0; index < kinds; index++) {
    const metadata = { name: `operator${index}`, namespace };
    const plural = `widget${index}s`;
    documents.push(
      definition(group, index),
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata,
        rules: [
          { apiGroups: [group], resources: [plural], verbs: ['get', 'list', 'watch', 'update'] },
          { apiGroups: [group], resources: [`${plural}/status`], verbs: ['update', 'patch'] },
          { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'create', 'update'] },
        ],
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: rbac, kind: 'Role', name: metadata.name },
        subjects: [{ kind: 'ServiceAccount', ...metadata }],
      },
    );
  }
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: documents });
}

function definition(group: string, index: number): object {
  const version = (name: string, storage: boolean) => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: schema() },
    subresources: {
      status: {},
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.ready' },
    },
    additionalPrinterColumns: [
      { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
      { name: 'Ready', type: 'integer', jsonPath: '.status.ready' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
  });
  const plural = `widget${index}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, singular: `widget${index}`, kind: `Widget${index}`, categories: ['widgets'] },
      versions: [version('v1beta1', false), version('v1', true)],
    },
  };
}

function schema(): object {
  const sections = Object.fromEntries(
    Array.from({ length: sectionsCount }, (_, index) => [`section${index}`, section()]),
  );
  return {
    type: 'object',
    description: text,
    required: ['spec'],
    properties: {
      spec: {
        type: 'object',
        required: ['replicas'],
        'x-kubernetes-validations': [{ rule: 'self.replicas >= 0', message: 'replicas cannot be negative' }],
        properties: { replicas: { type: 'integer', default: 1, maximum: 100 }, ...sections },
      },
      status: { type: 'object', properties: { ready: { type: 'integer' } } },
    },
  };
}

function section(): object {
  const properties: Record<string, object> = {
    list: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, value: { type: 'string' } },
      },
    },
    map: { type: 'object', additionalProperties: { type: 'string' } },
    either: { 'x-kubernetes-int-or-string': true },
  };
  for (let index = 0; index < fieldsPerSection; index++)
    properties[`field${index}`] = { type: 'string', description: text, maxLength: 253 };
  return { type: 'object', description: text, properties };
}
