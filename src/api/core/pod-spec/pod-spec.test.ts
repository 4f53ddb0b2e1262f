import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../../base/collections/deep-freeze.ts';
import type { Pod } from '../../resources.gen.ts';
import type { PodSpec } from '../../types/core-v1.gen.ts';
import { defaultPodSpec, pullPolicyOf } from './defaults.ts';
import { validatePodSpec } from './validate.ts';
import { podWarnings } from './warnings.ts';

function spec(more: object, container: object = {}): PodSpec {
  const result = { containers: [{ name: 'c', image: 'i', ...container }], ...more } as PodSpec;
  defaultPodSpec(result);
  return result;
}

function errorsOf(subject: PodSpec): string[] {
  return [...validatePodSpec(subject, 'spec')].map(({ text }) => text);
}

test('images without a tag, or tagged latest, are pulled each time', () => {
  const rows: [string, string][] = [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.2', 'IfNotPresent'],
    ['localhost:5000/a', 'Always'],
    ['localhost:5000/a:b', 'IfNotPresent'],
    ['a@sha256:00', 'IfNotPresent'],
  ];
  for (const [image, policy] of rows) assert.equal(pullPolicyOf(image), policy, image);
});

test('a pod of the host’s network has the ports of the host; a template may leave them open', () => {
  const wanted = { hostNetwork: true };
  const ports = () => ({ ports: [{ containerPort: 80 }] });
  const template = spec(wanted, ports());
  assert.equal(template.containers[0]!.ports![0]!.hostPort, undefined);
  assert.deepEqual(errorsOf(template), []);
  const pod = { metadata: { name: 'p' }, spec: spec(wanted, ports()) } as Pod;
  defaultPodSpec(pod.spec, { isPod: true });
  assert.equal(pod.spec.containers[0]!.ports![0]!.hostPort, 80);
  assert.deepEqual([...validatePodSpec(pod.spec, 'spec', pod)], []);
});

test('another port of the host is an error, and for a pod so is none', () => {
  const error = (port: number) =>
    `spec.containers[0].ports[0].hostPort: Invalid value: ${port}: must match \`containerPort\` when \`hostNetwork\` is true`;
  const other = spec({ hostNetwork: true }, { ports: [{ containerPort: 80, hostPort: 81 }] });
  assert.deepEqual(errorsOf(other), [error(81)]);
  const pod = { metadata: { name: 'p' } } as Pod;
  const open = spec({ hostNetwork: true }, { ports: [{ containerPort: 80 }] });
  assert.deepEqual(
    [...validatePodSpec(open, 'spec', pod)].map(({ text }) => text),
    [error(0)],
  );
});

test('defaults never touch a frozen spec that has them', () => {
  const given = spec({ serviceAccountName: 'a', volumes: [{ name: 'v' }] });
  assert.doesNotThrow(() => defaultPodSpec(deepFreeze(structuredClone(given))));
});

const good: [string, object, object?][] = [
  [
    'a sidecar with a probe',
    {
      initContainers: [
        { name: 's', image: 'i', restartPolicy: 'Always', startupProbe: { exec: { command: ['x'] } } },
      ],
    },
  ],
  ['a lifecycle hook', {}, { lifecycle: { preStop: { exec: { command: ['x'] } } } }],
  [
    'a downward variable',
    {},
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a']" } } }] },
  ],
  [
    'a mount of a volume',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/b' }] },
  ],
  [
    'its own resolver',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['10.0.0.1'], searches: ['a.b.', '_sip._tcp.abc_d.example.com', '.'] },
    },
  ],
  ['a toleration of everything', { tolerations: [{ operator: 'Exists' }] }],
  [
    'a spread',
    {
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'z', whenUnsatisfiable: 'DoNotSchedule', minDomains: 2 },
      ],
    },
  ],
];
for (const [what, more, container] of good)
  test(`${what} is accepted`, () => assert.deepEqual(errorsOf(spec(more, container)), []));

const bad: [string, object, object | undefined, string][] = [
  [
    'two containers of one name',
    { initContainers: [{ name: 'c', image: 'i' }] },
    undefined,
    'spec.initContainers[0].name: Duplicate value: "c"',
  ],
  [
    'a probe of an init container',
    { initContainers: [{ name: 'i', image: 'i', readinessProbe: { exec: { command: ['x'] } } }] },
    undefined,
    'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  ],
  [
    'two handlers',
    {},
    { livenessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 1 } } },
    'spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
  ],
  [
    'a field path of another version',
    {},
    { env: [{ name: 'A', valueFrom: { fieldRef: { apiVersion: 'v2', fieldPath: 'metadata.name' } } }] },
    'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2',
  ],
  [
    'an init container that resizing restarts',
    {
      initContainers: [
        { name: 'i', image: 'i', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] },
      ],
    },
    undefined,
    'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers',
  ],
  [
    'half a huge page',
    {},
    { resources: { limits: { cpu: '1', 'hugepages-2Mi': '3Mi' } } },
    'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
  ],
  [
    'an unknown field path',
    {},
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.x' } } }] },
    'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field label not supported: spec.x',
  ],
  [
    'a value from nowhere',
    {},
    { env: [{ name: 'A', valueFrom: {} }] },
    'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
  ],
  [
    'envFrom nothing',
    {},
    { envFrom: [{}] },
    'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
  ],
  [
    'an absolute sub-path',
    { volumes: [{ name: 'v' }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: '/a' }] },
    'spec.containers[0].volumeMounts.subPath: Invalid value: "/a": must be a relative path',
  ],
  [
    'read-only down to the last, but to be written',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v', recursiveReadOnly: 'Enabled' }] },
    'spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true',
  ],
  [
    'read-only down to the last, but what is mounted later',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    {
      volumeMounts: [
        {
          name: 'v',
          mountPath: '/v',
          readOnly: true,
          recursiveReadOnly: 'IfPossible',
          mountPropagation: 'HostToContainer',
        },
      ],
    },
    'spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified',
  ],
  [
    'a device of an emptyDir',
    { volumes: [{ name: 'v' }] },
    { volumeDevices: [{ name: 'v', devicePath: '/d' }] },
    'spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
  ],
  [
    'a host path type that is none',
    { volumes: [{ name: 'v', hostPath: { path: '/x', type: 'Dir' } }] },
    undefined,
    'spec.volumes[0].hostPath.type: Unsupported value: "Dir"',
  ],
  [
    'a secret volume of no secret',
    { volumes: [{ name: 'v', secret: {} }] },
    undefined,
    'spec.volumes[0].secret.secretName: Required value',
  ],
  [
    'a resolver of its own without addresses',
    { dnsPolicy: 'None' },
    undefined,
    'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  ],
  [
    'the host’s users and its own',
    { hostUsers: false, hostNetwork: true },
    undefined,
    'spec.hostNetwork: Forbidden: when `hostUsers` is false',
  ],
  [
    'a preference without weight',
    {
      affinity: {
        podAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 0, podAffinityTerm: { topologyKey: 'k' } },
          ],
        },
      },
    },
    undefined,
    'spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
  ],
  [
    'a spread without a key',
    { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: '', whenUnsatisfiable: 'DoNotSchedule' }] },
    undefined,
    'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
  ],
  ['a node’s name with capitals', { nodeName: 'A' }, undefined, 'spec.nodeName: Invalid value: "A"'],
];
for (const [what, more, container, text] of bad)
  test(`${what} is refused`, () => {
    const texts = errorsOf(spec(more, container));
    assert.ok(texts.length === 1 && texts[0]!.startsWith(text), texts.join('\n'));
  });

test('a hostname that overrides all others is a name, and the pod’s own', () => {
  const errors = (more: object) =>
    errorsOf(spec({ hostnameOverride: 'a.b', ...more })).map((text) => text.split(': ')[1]);
  assert.deepEqual(errors({}), []);
  assert.deepEqual(errors({ setHostnameAsFQDN: true }), ['Forbidden']);
  assert.deepEqual(errors({ hostNetwork: true }), ['Forbidden']);
  assert.deepEqual(errors({ hostnameOverride: 'Not' }), ['Invalid value']);
  assert.equal(errors({ hostnameOverride: 'a'.repeat(65) })[0], 'Too long');
});

test('a variable from a file names one within an emptyDir', () => {
  const from = (change: object) => ({
    env: [
      { name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'a/b.env', key: 'A', ...change } } },
    ],
  });
  const volumes = [
    { name: 'v', emptyDir: {} },
    { name: 'h', hostPath: { path: '/' } },
  ];
  const field = 'spec.containers[0].env[0].valueFrom.fileKeyRef';
  const rows: [change: object, errors: string[]][] = [
    [{}, []],
    [{ volumeName: 'none' }, [`${field}.volumeName: Not found: "none"`]],
    [
      { volumeName: 'h' },
      [`${field}.volumeName: Invalid value: "h": referenced volume must be of type emptyDir`],
    ],
    [{ path: '/a' }, []],
    [
      { volumeName: 'none', key: '' },
      [`${field}.key: Required value`, `${field}.volumeName: Not found: "none"`],
    ],
    [{ path: 'a/../b' }, [`${field}.path: Invalid value: "a/../b": must not contain '..'`]],
    [{ key: '' }, [`${field}.key: Required value`]],
  ];
  for (const [change, errors] of rows) assert.deepEqual(errorsOf(spec({ volumes }, from(change))), errors);
});

const restart = { action: 'Restart', exitCodes: { operator: 'In', values: [1] } };
const keysTerm = (term: object) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: {}, ...term }],
    },
  },
});
const antiAffinity = 'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]';
const newer: [name: string, spec: object, container: object, errors: string[]][] = [
  [
    'rules for restarts need a policy beside them',
    {},
    { restartPolicyRules: [restart] },
    [
      'spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used',
    ],
  ],
  [
    'a rule for restarts has an action and codes',
    {},
    { restartPolicy: 'Never', restartPolicyRules: [restart, { action: 'Sleep' }] },
    [
      'spec.containers[0].restartPolicyRules[1].action: Unsupported value: "Sleep": supported values: "Restart", "RestartAllContainers"',
      'spec.containers[0].restartPolicyRules[1].exitCodes: Required value: must be specified',
    ],
  ],
  [
    'a pod as a whole has no less than its parts, and no devices',
    { resources: { requests: { cpu: '1' }, claims: [] } },
    { resources: { requests: { cpu: '2' } } },
    [
      'spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level',
      'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
    ],
  ],
  [
    'keys of labels are looked for with a selector, and on one side',
    keysTerm({ matchLabelKeys: ['a'], mismatchLabelKeys: ['a'] }),
    {},
    [
      `${antiAffinity}.matchLabelKeys[0]: Invalid value: "a": exists in both matchLabelKeys and mismatchLabelKeys`,
    ],
  ],
  [
    'keys of labels without a selector',
    keysTerm({ labelSelector: undefined, matchLabelKeys: ['a'] }),
    {},
    [`${antiAffinity}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`],
  ],
  [
    'a user of Windows has a name',
    {},
    { securityContext: { windowsOptions: { runAsUserName: 'a\\b\\c' } } },
    [
      'spec.containers[0].securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash',
    ],
  ],
  [
    'a process of the host is in its network',
    { securityContext: { windowsOptions: { hostProcess: true } } },
    {},
    [
      'spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers',
    ],
  ],
  [
    'labels of SELinux are changed one by one',
    { securityContext: { seLinuxChangePolicy: 'MountOption' } },
    {},
    [
      'spec.securityContext.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"',
    ],
  ],
  ['domains to search may have underscores', { dnsConfig: { searches: ['_a.b', 'c_d'] } }, {}, []],
];
for (const [name, pod, container, errors] of newer)
  test(`of a pod: ${name}`, () => assert.deepEqual(errorsOf(spec(pod, container)), errors));

test('a volume with which something is wrong cannot be mounted', () => {
  const subject = spec(
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/a' } }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
  );
  assert.deepEqual(errorsOf(subject), [
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    'spec.containers[0].volumeMounts[0].name: Not found: "v"',
  ]);
});

test('warnings about parts of a pod name the part', () => {
  const rows: [object, object, string[]][] = [
    [
      { hostAliases: [{ ip: 'x', hostnames: ['a'] }] },
      {},
      [
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [{ os: { name: 'x' } }, {}, ['spec.os: Unsupported value: "x": supported values: "linux", "windows"']],
    [
      {},
      { resources: { claims: [{ name: 'x' }] } },
      [
        'spec.containers[0].resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
      ],
    ],
    [
      {},
      { resizePolicy: [{ resourceName: 'x', restartPolicy: '' }] },
      [
        'spec.containers[0].resizePolicy: Unsupported value: "x": supported values: "cpu", "memory"',
        'spec.containers[0].resizePolicy: Required value',
      ],
    ],
    [
      { restartPolicy: 'x' },
      {},
      ['spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"'],
    ],
  ];
  for (const [more, container, texts] of rows) assert.deepEqual(errorsOf(spec(more, container)), texts);
});

test('a pod for one system has no settings of the other', () => {
  const windows = spec(
    { os: { name: 'windows' }, hostPID: true, hostIPC: false, securityContext: { runAsUser: 1 } },
    { securityContext: { capabilities: {}, runAsNonRoot: true } },
  );
  assert.deepEqual(
    errorsOf(windows),
    ['hostPID', 'securityContext.runAsUser', 'containers[0].securityContext.capabilities'].map(
      (path) => `spec.${path}: Forbidden: cannot be set for a windows pod`,
    ),
  );
  const linux = spec({ os: { name: 'linux' } }, { securityContext: { windowsOptions: {} } });
  assert.deepEqual(errorsOf(linux), [
    'spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
  ]);
});

test('a volume of a repository is warned of', () => {
  const subject = spec({ volumes: [{ name: 'v', gitRepo: { repository: 'r' } }] });
  assert.deepEqual(
    [...podWarnings({ spec: subject })],
    ['spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+'],
  );
});

test('an affinity without a selector matches nothing, of which the client is warned', () => {
  const term = { topologyKey: 'zone' };
  const subject = spec({
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }],
      },
    },
  });
  assert.deepEqual(
    [...podWarnings({ spec: subject })],
    [
      'podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]',
      'podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm',
    ].map((path) => `spec.affinity.${path}.labelSelector: a null labelSelector results in matching no pod`),
  );
});
