import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deploymentKind } from '../../apps/deployment.ts';
import { statefulSetKind } from '../../apps/stateful-set.ts';
import type { Deployment, StatefulSet } from '../../resources.gen.ts';
import type { PodSpec } from '../../types/core-v1.gen.ts';
import { podWarnings } from './warnings.ts';

type Port = Partial<NonNullable<PodSpec['containers'][0]['ports']>[0]>;

const warningsOf = (more: object, container: object = {}, annotations: Record<string, string> = {}) => [
  ...podWarnings({
    metadata: { annotations },
    spec: { containers: [{ name: 'c', image: 'i', ...container }], ...more } as PodSpec,
  }),
];
const ports = (...list: Port[]) => ({
  ports: list.map((port) => ({ containerPort: 80, protocol: 'TCP', ...port })),
});
const volume = (source: object) => ({ volumes: [{ name: 'v', ...source }] });
const none = 'a null labelSelector results in matching no pod';
const port = (at: number) => `spec.containers[0].ports[${at}]`;

const rows: readonly (readonly [what: string, warnings: string[], given: ReturnType<typeof warningsOf>])[] = [
  [
    'a label of nodes under its first name',
    [
      'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: node-role.kubernetes.io/master is use "node-role.kubernetes.io/control-plane" instead',
    ],
    warningsOf({
      nodeSelector: { 'beta.kubernetes.io/os': 'linux', constructor: 'x' },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'node-role.kubernetes.io/master', operator: 'Exists' }] },
            ],
          },
        },
      },
    }),
  ],
  [
    'pods that nothing selects',
    [
      `spec.topologySpreadConstraints[0].labelSelector: ${none}`,
      `spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: ${none}`,
    ],
    warningsOf({
      topologySpreadConstraints: [{ topologyKey: 'zone' }],
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'z' }] },
      },
    }),
  ],
  [
    'a volume that is no more',
    ['spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+'],
    warningsOf(volume({ glusterfs: { endpoints: 'e', path: 'p' } })),
  ],
  [
    'an annotation that a field has taken the place of',
    [
      'metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead',
    ],
    warningsOf({}, {}, { 'container.seccomp.security.alpha.kubernetes.io/c': 'x' }),
  ],
  [
    'no annotation beside its field',
    [],
    warningsOf(
      {},
      { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
      { 'container.seccomp.security.alpha.kubernetes.io/c': 'x' },
    ),
  ],
  [
    'a variable that hides another',
    ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
    warningsOf({}, { env: [{ name: 'A', value: 'x' }, { name: 'A' }] }),
  ],
  [
    'no variable that adds to another',
    [],
    warningsOf(
      {},
      {
        env: [
          { name: 'A', value: 'x' },
          { name: 'A', value: '$(A):y' },
        ],
      },
    ),
  ],
  [
    'bytes that are not whole',
    [
      'spec.overhead[memory]: fractional byte value "1500m" is invalid, must be an integer',
      'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
    ],
    warningsOf({ overhead: { memory: '1.5' } }, { resources: { requests: { memory: '100m' } } }),
  ],
  [
    'a port that stands twice',
    [`${port(1)}: duplicate port definition with ${port(0)}`],
    warningsOf({}, ports({}, {})),
  ],
  [
    'a port that stands with and without one of the host',
    [`${port(1)}: overlapping port definition with ${port(0)}`],
    warningsOf({}, ports({ hostPort: 80 }, {})),
  ],
  [
    'a port of the host that stands with and without an address',
    [`${port(1)}: dangerously ambiguous port definition with ${port(0)}`],
    warningsOf({}, ports({ hostPort: 80 }, { hostPort: 80, hostIP: '10.0.0.1' })),
  ],
  [
    'an address without a port of the host',
    [
      `${port(0)}: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}`,
    ],
    warningsOf({}, ports({ hostIP: '10.0.0.1' })),
  ],
  [
    'a name of a port that stands twice',
    [
      `spec.containers[0].ports[0]: duplicate port name "web" with spec.initContainers[0].ports[0], services and probes that select ports by name will use spec.initContainers[0].ports[0]`,
    ],
    warningsOf(
      { initContainers: [{ name: 'i', image: 'i', ...ports({ name: 'web', containerPort: 1 }) }] },
      ports({ name: 'web' }),
    ),
  ],
  [
    'an address, a secret that stands twice, and one without a name',
    [
      'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
      'spec.imagePullSecrets[1].name: duplicate name "a"',
      'spec.imagePullSecrets[2].name: invalid empty name ""',
    ],
    warningsOf({
      hostAliases: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }],
      imagePullSecrets: [{ name: 'a' }, { name: 'a' }, { name: '' }],
    }),
  ],
  [
    'a file in the way of a folder',
    ['volume "v" (ConfigMap "m"): overlapping paths: "a/b" with "a"'],
    warningsOf(
      volume({
        configMap: {
          name: 'm',
          items: [
            { key: 'x', path: 'a/' },
            { key: 'y', path: 'a/b' },
            { key: 'z', path: 'ab' },
          ],
        },
      }),
    ),
  ],
  [
    'sources at one path, and one that is none',
    [
      'volume "v" (Projected) has no sources provided',
      'volume "v" (Projected): overlapping paths: "token" (ServiceAccountToken) with "token" (Secret "s")',
    ],
    warningsOf(
      volume({
        projected: {
          sources: [
            {},
            { secret: { name: 's', items: [{ key: 'k', path: 'token' }] } },
            { serviceAccountToken: { path: 'token' } },
          ],
        },
      }),
    ),
  ],
];

for (const [what, warnings, given] of rows)
  test(`the writer of a pod is warned of ${what}`, () => assert.deepEqual(given, warnings));

const workload = (name: string, generation: number, more: object = {}) => {
  const template = { spec: { containers: [], nodeSelector: { 'beta.kubernetes.io/os': 'linux' } } };
  return { metadata: { name, generation }, spec: { template, ...more } } as unknown as Deployment &
    StatefulSet;
};

test('a template is worth a warning whenever the spec changes, a name for pods only when it is new', () => {
  const label =
    'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead';
  const warnings = (generation: number, old?: number) => [
    ...deploymentKind.warnings!(
      workload('a.b', generation),
      old === undefined ? undefined : workload('a.b', old),
    ),
  ];
  assert.deepEqual(warnings(1), [
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]',
    label,
  ]);
  assert.deepEqual(warnings(2, 1), [label]);
  assert.deepEqual(warnings(1, 1), []);
});

test('the claims of a StatefulSet are worth a warning, too', () => {
  const claims = [{ spec: { resources: { requests: { storage: '1.5' } } } }];
  const set = workload('s', 1, { volumeClaimTemplates: claims, revisionHistoryLimit: -1 });
  assert.deepEqual(
    [...statefulSetKind.warnings!(set, set)],
    [
      'spec.volumeClaimTemplates[0].Spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    ],
  );
});
