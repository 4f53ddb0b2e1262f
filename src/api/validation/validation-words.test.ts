import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinKinds } from '../kinds/builtin-kinds.ts';
import type { KubeObject } from '../meta.ts';

/** The errors of an object of a kind, in the words of upstream's answers; `apiVersion` is the client's. */
function errorsOf(kind: string, content: object, apiVersion?: string): string[] {
  const definition = builtinKinds.find(({ type }) => type.kind === kind)!;
  const { group, version } = definition.type;
  const object = { metadata: { name: 'x', namespace: 'n' }, ...content } as KubeObject;
  const context = {
    subresource: '',
    isUpdate: false,
    apiVersion: apiVersion ?? (group ? `${group}/${version}` : version),
  };
  const errors = definition.validate(object, context as never);
  return [...errors].map(({ text }) => text.replace(/ (subdomain|label) must.*/, ' $1'));
}

const subdomain = 'a lowercase RFC 1123 subdomain';
const label = 'a lowercase RFC 1123 label';
const path = { path: '/', pathType: 'Prefix' };
const ingress = (...paths: object[]) => ({ spec: { rules: [{ http: { paths } }] } });
const at = 'spec.rules[0].http.paths[0]';
const volume = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, volumeMode: 'Filesystem' };

const cases: [string, string, object, string[], string?][] = [
  [
    'a path without a type is asked for nothing else',
    'Ingress',
    ingress({}),
    [`${at}.pathType: Required value: pathType must be specified`],
  ],
  [
    'an empty type of a path is one that is not supported',
    'Ingress',
    ingress({ path: '/', pathType: '', backend: { service: { name: 'a', port: { number: 1 } } } }),
    [`${at}.pathType: Unsupported value: "": supported values: "Exact", "ImplementationSpecific", "Prefix"`],
  ],
  [
    'a backend without a port is named as a whole',
    'Ingress',
    ingress({ ...path, backend: { service: {} } }),
    [
      `${at}.backend.service.name: Required value`,
      `${at}.backend: Required value: port name or number is required`,
    ],
  ],
  [
    'the annotation for a class is the class that is named',
    'Ingress',
    {
      metadata: { name: 'x', annotations: { 'kubernetes.io/ingress.class': 'a' } },
      spec: {
        ...ingress({ ...path, backend: { service: { name: 'a', port: { number: 1 } } } }).spec,
        ingressClassName: 'b',
      },
    },
    [
      'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
    ],
  ],
  ['a class needs a controller', 'IngressClass', { spec: {} }, ['spec.controller: Required value']],
  [
    'the wrong part of a controller is shown',
    'IngressClass',
    { spec: { controller: 'A b/ü' } },
    [
      `spec.controller: Invalid value: "A b": ${subdomain}`,
      `spec.controller: Invalid value: "ü": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')`,
    ],
  ],
  [
    'a driver has a name, and an identity that is not too long',
    'CSINode',
    { spec: { drivers: [{ name: '', nodeID: 'x'.repeat(193), topologyKeys: null }] } },
    [
      'spec.drivers[0].name: Required value',
      `spec.drivers[0].nodeID: Invalid value: "${'x'.repeat(193)}": must be 192 characters or less`,
    ],
  ],
  [
    'an attachment names an attacher and a node',
    'VolumeAttachment',
    { spec: { attacher: 'A!', nodeName: '', source: { persistentVolumeName: 'a' } } },
    [`spec.nodeName: Invalid value: "": ${subdomain}`, `spec.attacher: Invalid value: "A!": ${subdomain}`],
  ],
  [
    "an attacher's form was free in v1beta1",
    'VolumeAttachment',
    { spec: { attacher: 'A!', nodeName: 'n', source: { persistentVolumeName: 'a' } } },
    [],
    'storage.k8s.io/v1beta1',
  ],
  [
    'an attachment has one source',
    'VolumeAttachment',
    { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'a', inlineVolumeSpec: {} } } },
    ['spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName'],
  ],
  [
    'a volume has a capacity, and storage alone',
    'PersistentVolume',
    { spec: { ...volume, capacity: {}, hostPath: { path: '/x' } } },
    ['spec.capacity: Required value', 'spec.capacity: Unsupported value: {}: supported values: "storage"'],
  ],
  [
    "a volume's driver and secrets have names",
    'PersistentVolume',
    { spec: { ...volume, csi: { driver: '-', volumeHandle: 'h', nodePublishSecretRef: { name: 'B' } } } },
    [
      `spec.csi.driver: Invalid value: "-": ${subdomain}`,
      `spec.csi.nodePublishSecretRef.name: Invalid value: "B": ${subdomain}`,
      'spec.csi.nodePublishSecretRef.namespace: Required value',
    ],
  ],
  [
    'a path that is not there is not absolute either',
    'PersistentVolume',
    { spec: { ...volume, nfs: { server: 's' } } },
    ['spec.nfs.path: Required value', 'spec.nfs.path: Invalid value: "": must be an absolute path'],
  ],
  [
    'an unknown scope is reported once',
    'ResourceQuota',
    { spec: { scopeSelector: { matchExpressions: [{ scopeName: 'Bogus', operator: 'Sometimes' }] } } },
    [
      'spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Bogus": unsupported scope',
      'spec.scopeSelector.matchExpressions.operator: Invalid value: "Sometimes": not a valid selector operator',
    ],
  ],
  [
    'a metric without a type has none that is supported',
    'HorizontalPodAutoscaler',
    { spec: { maxReplicas: 1, scaleTargetRef: { apiVersion: 'a/v1', kind: 'A', name: 'a' }, metrics: [{}] } },
    [
      'spec.metrics[0].type: Required value: must specify a metric source type',
      'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
      'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
    ],
  ],
  [
    "a webhook's service without a name is asked for its namespace, as upstream does",
    'ValidatingWebhookConfiguration',
    {
      webhooks: [
        {
          name: 'a.b.c',
          failurePolicy: '',
          sideEffects: 'None',
          clientConfig: { service: { namespace: 'n', path: '/a//b/' } },
          admissionReviewVersions: ['v1'],
        },
      ],
    },
    [
      'webhooks[0].failurePolicy: Unsupported value: "": supported values: "Fail", "Ignore"',
      'webhooks[0].clientConfig.service.namespace: Required value',
      'webhooks[0].clientConfig.service.path: Invalid value: "/a//b/": segment[1] may not be empty',
    ],
  ],
  [
    "a webhook's URL has a scheme and a host, and nothing more",
    'ValidatingWebhookConfiguration',
    {
      webhooks: ['x', 'https://u:p@h/a?b#c'].map((url) => ({
        name: 'a.b.c',
        sideEffects: 'None',
        clientConfig: { url },
        admissionReviewVersions: ['v1'],
      })),
    },
    [
      `webhooks[0].clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
      'webhooks[0].clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path]',
      'webhooks[1].clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL',
      'webhooks[1].clientConfig.url: Invalid value: "c": fragments are not permitted in the URL',
      'webhooks[1].clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL',
      'webhooks[1].name: Duplicate value: "a.b.c"',
    ],
  ],
  [
    'verbs of a flow schema are those of the API',
    'FlowSchema',
    {
      spec: {
        matchingPrecedence: 1000,
        priorityLevelConfiguration: { name: 'a' },
        rules: [
          {
            subjects: [{ kind: 'Bogus', user: { name: 'a' } }],
            nonResourceRules: [{ verbs: ['dance'], nonResourceURLs: ['*'] }],
          },
        ],
      },
    },
    [
      'spec.rules[0].subjects[0].kind: Unsupported value: "Bogus": supported values: "Group", "ServiceAccount", "User"',
      'spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["dance"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
    ],
  ],
  [
    'a flow schema is about namespaces, paths and accounts as they can be',
    'FlowSchema',
    {
      spec: {
        matchingPrecedence: 1000,
        priorityLevelConfiguration: { name: 'a' },
        rules: [
          {
            subjects: [{ kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'A' } }],
            resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['A'] }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['a', '/a*', '/*'] }],
          },
        ],
      },
    },
    [
      `spec.rules[0].subjects[0].serviceAccount.namespace: Invalid value: "A": ${label}`,
      `spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: "A": each member of this list must be '*' or a DNS-1123 label; ${label}`,
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a*": wildcard can only do suffix matching',
    ],
  ],
  [
    'no toleration stands twice',
    'RuntimeClass',
    {
      handler: 'h',
      scheduling: {
        tolerations: [
          { key: 'k', operator: 'Exists' },
          { key: 'k', operator: 'Exists', effect: '' },
        ],
      },
    },
    [
      'scheduling.tolerations[1]: Duplicate value: {"Key":"k","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}',
    ],
  ],
  [
    'a lease changes hands no negative number of times',
    'Lease',
    { spec: { leaseTransitions: -1 } },
    ['spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'an invalid address is reported twice',
    'Endpoints',
    { subsets: [{ addresses: [{ ip: 'x' }] }] },
    [
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
    ],
  ],
  [
    'the type of a target is one of three',
    'HorizontalPodAutoscaler',
    {
      spec: {
        maxReplicas: 1,
        scaleTargetRef: { apiVersion: 'a/v1', kind: 'A', name: 'a' },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'x', averageUtilization: 1 } } },
        ],
      },
    },
    [
      'spec.metrics[0].resource.target.type: Invalid value: "x": must be either Utilization, Value, or AverageValue',
    ],
  ],
  [
    'an empty preemption policy is none',
    'PriorityClass',
    { value: 1, preemptionPolicy: '' },
    ['preemptionPolicy: Required value'],
  ],
  [
    "an event of the newer group says 'type' in its own words",
    'Event',
    {
      metadata: { name: 'X', namespace: 'n' },
      involvedObject: { namespace: 'n' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingComponent: 'c',
      reportingInstance: 'i',
      action: 'a',
      reason: 'r',
      type: 'Bogus',
      count: 1,
    },
    [
      `metadata.name: Invalid value: "X": ${subdomain}`,
      'type: Invalid value: "": has invalid value: Bogus',
      'count: Invalid value: "": needs to be unset',
    ],
    'events.k8s.io/v1',
  ],
];

for (const [name, kind, content, expected, apiVersion] of cases)
  test(`${kind}: ${name}`, () => assert.deepEqual(errorsOf(kind, content, apiVersion), expected));
