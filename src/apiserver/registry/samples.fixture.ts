/** A small valid object of every built-in kind that is stored in a stable version, and a status that it may have. */

export interface Sample {
  /** What the object has besides its metadata. */
  body: object;
  status?: object;
  /** For kinds whose names must have a certain form; `one`, `two` and `three` otherwise. */
  names?: readonly [string, string, string];
  /** Replicas that its scale shows. */
  isScaled?: true;
}

const labels = { app: 'sample' };
const selector = { matchLabels: labels };
const podSpec = { containers: [{ name: 'main', image: 'busybox' }] };
const template = { metadata: { labels }, spec: podSpec };
const jobTemplate = { metadata: { labels }, spec: { ...podSpec, restartPolicy: 'Never' } };
const condition = {
  type: 'Sampled',
  status: 'True',
  reason: 'Test',
  message: 'sampled',
  lastTransitionTime: '2020-01-01T00:00:00Z',
};
const conditions = { conditions: [condition] };
const workload = { replicas: 3, ...conditions };
const rules = [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }];
const webhooks = [
  {
    name: 'hook.example.com',
    clientConfig: { url: 'https://hook.example.com/' },
    rules,
    namespaceSelector: { matchLabels: { hooks: 'on' } },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  },
];
const matchConstraints = { resourceRules: rules };
const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }];
const deviceSpec = {
  devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu.example.com' } }] },
};
const csr = {
  spec: {
    // A request of an elliptic curve's key for the common name "sample".
    request:
      'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIS01ITUNBUUF3RVRFUE1BMEdBMVVFQXd3R2MyRnRjR3hsTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowRApBUWNEUWdBRVdjVHA2T3lXNzR3NXVPWkhDbW9nK0x4WlBNcW5FMEtlWWlMeUVQWTd0ZWw5MjA5d0lPMzdzaElMCkk1K1VRSmNHaTVjY2JBenN5UnkwRjVRSnZsekRkS0FBTUFvR0NDcUdTTTQ5QkFNQ0EwY0FNRVFDSUVhZFkra2oKdHNuTjc1Ty8rbFBrcFU0dWJqUmZqN3lqQlNqN0dwa0RlQVh4QWlCYTErYVlVZW01elQxZDlpdXBHbEtwQStPeAp6NzJMSUVIcDN1b3IvMUFwbFE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K',
    signerName: 'example.com/sample',
    usages: ['digital signature'],
  },
};

/** By `group/plural`. */
export const samples: Readonly<Record<string, Sample>> = {
  '/configmaps': { body: { data: { a: '1' } } },
  '/endpoints': { body: { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] } },
  '/events': {
    body: {
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
      reason: 'Test',
      type: 'Normal',
    },
  },
  '/limitranges': { body: { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } } },
  '/namespaces': { body: {}, status: conditions },
  '/nodes': { body: { spec: {} }, status: conditions },
  '/persistentvolumeclaims': { body: { spec: claimSpec }, status: conditions },
  '/persistentvolumes': {
    body: {
      spec: { capacity: { storage: '1Mi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp/x' } },
    },
    status: { message: 'sampled' },
  },
  '/pods': { body: { spec: podSpec }, status: conditions },
  '/podtemplates': { body: { template } },
  '/replicationcontrollers': {
    body: { spec: { replicas: 1, selector: labels, template } },
    status: workload,
    isScaled: true,
  },
  '/resourcequotas': { body: { spec: { hard: { pods: '5' } } }, status: { hard: { pods: '5' } } },
  '/secrets': { body: { stringData: { a: '1' } } },
  '/serviceaccounts': { body: {} },
  '/services': {
    body: { spec: { selector: labels, ports: [{ port: 80 }] } },
    status: conditions,
  },
  'admissionregistration.k8s.io/mutatingadmissionpolicies': {
    body: {
      spec: {
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/data"}]' },
          },
        ],
      },
    },
  },
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': { body: { spec: { policyName: 'p' } } },
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': { body: { webhooks } },
  'admissionregistration.k8s.io/validatingadmissionpolicies': {
    body: { spec: { matchConstraints, validations: [{ expression: 'true' }] } },
    status: conditions,
  },
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': {
    body: { spec: { policyName: 'p', validationActions: ['Deny'] } },
  },
  'admissionregistration.k8s.io/validatingwebhookconfigurations': { body: { webhooks } },
  'apps/controllerrevisions': { body: { revision: 1, data: { a: 1 } } },
  'apps/daemonsets': { body: { spec: { selector, template } }, status: conditions },
  'apps/deployments': { body: { spec: { selector, template } }, status: workload, isScaled: true },
  'apps/replicasets': { body: { spec: { selector, template } }, status: workload, isScaled: true },
  'apps/statefulsets': {
    body: { spec: { selector, serviceName: 's', template } },
    status: workload,
    isScaled: true,
  },
  'autoscaling/horizontalpodautoscalers': {
    body: {
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } },
    },
    status: { currentReplicas: 1, desiredReplicas: 2 },
  },
  'batch/cronjobs': {
    body: { spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: jobTemplate } } } },
    status: { lastScheduleTime: '2020-01-01T00:00:00Z' },
  },
  'batch/jobs': { body: { spec: { template: jobTemplate } }, status: conditions },
  'certificates.k8s.io/certificatesigningrequests': { body: csr, status: conditions },
  'coordination.k8s.io/leases': { body: { spec: { holderIdentity: 'h', leaseDurationSeconds: 30 } } },
  'discovery.k8s.io/endpointslices': {
    body: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  },
  'events.k8s.io/events': {
    body: {
      eventTime: '2020-01-01T00:00:00.000000Z',
      reportingController: 'tester',
      reportingInstance: 'tester-1',
      action: 'Do',
      reason: 'Test',
      type: 'Normal',
      regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
    },
  },
  'flowcontrol.apiserver.k8s.io/flowschemas': {
    body: { spec: { priorityLevelConfiguration: { name: 'global-default' }, matchingPrecedence: 9000 } },
    // As the server would write it: it leaves such a status alone, and the two writes never conflict.
    status: {
      conditions: [
        {
          type: 'Dangling',
          status: 'False',
          reason: 'Found',
          message:
            'This FlowSchema references the PriorityLevelConfiguration object named "global-default" and it exists',
        },
      ],
    },
  },
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': {
    body: {
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    status: conditions,
  },
  'networking.k8s.io/ingressclasses': { body: { spec: { controller: 'example.com/c' } } },
  'networking.k8s.io/ingresses': {
    body: { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } },
    status: { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } },
  },
  'networking.k8s.io/ipaddresses': {
    body: { spec: { parentRef: { resource: 'services', namespace: 'default', name: 's' } } },
    names: ['192.168.1.1', '192.168.1.2', '192.168.1.3'],
  },
  'networking.k8s.io/networkpolicies': { body: { spec: { podSelector: {} } } },
  'networking.k8s.io/servicecidrs': { body: { spec: { cidrs: ['10.200.0.0/24'] } }, status: conditions },
  'node.k8s.io/runtimeclasses': { body: { handler: 'runc' } },
  'policy/poddisruptionbudgets': { body: { spec: { minAvailable: 1, selector } }, status: conditions },
  'rbac.authorization.k8s.io/clusterrolebindings': { body: { roleRef, subjects } },
  'rbac.authorization.k8s.io/clusterroles': {
    body: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  },
  'rbac.authorization.k8s.io/rolebindings': { body: { roleRef, subjects } },
  'rbac.authorization.k8s.io/roles': {
    body: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  },
  'resource.k8s.io/deviceclasses': { body: { spec: {} } },
  'resource.k8s.io/devicetaintrules': {
    body: {
      spec: { deviceSelector: { driver: 'gpu.example.com' }, taint: { key: 'k', effect: 'NoExecute' } },
    },
    status: {},
  },
  'resource.k8s.io/resourceclaims': { body: { spec: deviceSpec }, status: {} },
  'resource.k8s.io/resourceclaimtemplates': { body: { spec: { spec: deviceSpec } } },
  'resource.k8s.io/resourceslices': {
    body: {
      spec: {
        driver: 'gpu.example.com',
        nodeName: 'n',
        pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'd' }],
      },
    },
  },
  'scheduling.k8s.io/priorityclasses': { body: { value: 100 } },
  'storage.k8s.io/csidrivers': { body: { spec: { attachRequired: false } } },
  'storage.k8s.io/csinodes': { body: { spec: { drivers: [] } } },
  'storage.k8s.io/csistoragecapacities': { body: { storageClassName: 'c', capacity: '1Gi' } },
  'storage.k8s.io/storageclasses': { body: { provisioner: 'example.com/p' } },
  'storage.k8s.io/volumeattachments': {
    body: { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
    status: { attached: true },
  },
  'storage.k8s.io/volumeattributesclasses': {
    body: { driverName: 'example.com/d', parameters: { iops: '1' } },
  },
};
