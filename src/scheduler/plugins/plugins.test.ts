/** Each plugin's verdicts and their reasons, in upstream's words, one row per rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Node,
  PersistentVolume,
  PersistentVolumeClaim,
  type Pod,
  StorageClass,
} from '../../api/resources.gen.ts';
import { FakeCluster } from '../cluster.fake.ts';
import { makeNode, makePod, type NodeParts, type PodParts } from '../objects.fake.ts';

interface Row {
  name: string;
  nodes: Record<string, NodeParts>;
  /** By name; `spec.nodeName` places them. */
  placed?: Record<string, PodParts & { on: string }>;
  objects?: [typeof PersistentVolumeClaim | typeof PersistentVolume | typeof StorageClass, object][];
  pod: PodParts;
  /** The node, one of several, or the sentence after "FailedScheduling: ". */
  expect: string | string[];
}

const helpless = (nodes: number) =>
  `no new claims to deallocate, preemption: 0/${nodes} nodes are available: ${nodes} Preemption is not helpful for scheduling.`;
const noVictims = (nodes: number) =>
  `no new claims to deallocate, preemption: 0/${nodes} nodes are available: ${nodes} No preemption victims found for incoming pod.`;
const two = { a: {}, b: {} };
const zones = {
  a: { labels: { zone: 'x' } },
  b: { labels: { zone: 'y' } },
};
const claimVolume = (claimName: string) => ({
  volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
});
const named = (name: string, more: object) => ({
  metadata: { name, namespace: 'default', uid: name, annotations: {} },
  ...more,
});
const antiAffinity = (topologyKey: string, app: string) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
const affinity = (topologyKey: string, app: string) => ({
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
const preferNear = (weight: number, kind = 'podAffinity') => ({
  affinity: {
    [kind]: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight, podAffinityTerm: { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'db' } } } },
      ],
    },
  },
});
const spread = (topologyKey: string, more: object = {}) => ({
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
      ...more,
    },
  ],
});

const rows: Row[] = [
  {
    name: 'more memory than any node has',
    nodes: two,
    pod: { requests: { memory: '900Ti' } },
    expect: `0/2 nodes are available: 2 Insufficient memory. ${helpless(2)}`,
  },
  {
    name: 'cpu that others hold, with nobody less important to evict',
    nodes: two,
    placed: { p: { on: 'a', requests: { cpu: '3' } }, q: { on: 'b', requests: { cpu: '3' } } },
    pod: { requests: { cpu: '2' } },
    expect: `0/2 nodes are available: 2 Insufficient cpu. ${noVictims(2)}`,
  },
  {
    name: 'a selector that no node matches',
    nodes: two,
    pod: { spec: { nodeSelector: { no: 'where' } } },
    expect: `0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. ${helpless(2)}`,
  },
  {
    name: 'reasons that differ by node',
    nodes: two,
    pod: { requests: { cpu: '1000' }, spec: { nodeSelector: { 'kubernetes.io/hostname': 'a' } } },
    expect: `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector. ${helpless(2)}`,
  },
  {
    name: 'a taint and a cordon',
    nodes: {
      a: { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } },
      b: { spec: { unschedulable: true } },
    },
    pod: {},
    expect: `0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. ${helpless(2)}`,
  },
  {
    name: 'a toleration',
    nodes: { a: { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] } } },
    pod: { spec: { tolerations: [{ key: 'k', operator: 'Exists' }] } },
    expect: 'a',
  },
  {
    name: 'a node that one would rather not take',
    nodes: { a: { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }, b: {} },
    pod: {},
    expect: 'b',
  },
  {
    name: 'an extended resource that only one node has',
    nodes: { a: {}, b: { allocatable: { 'example.org/gpu': '2' } } },
    pod: { requests: { 'example.org/gpu': '2' } },
    expect: 'b',
  },
  {
    name: 'an extended resource that is used up',
    nodes: { a: { allocatable: { 'example.org/gpu': '2' } } },
    placed: { p: { on: 'a', requests: { 'example.org/gpu': '1' } } },
    pod: { requests: { 'example.org/gpu': '2' } },
    expect: `0/1 nodes are available: 1 Insufficient example.org/gpu. ${noVictims(1)}`,
  },
  {
    name: 'no place for another pod',
    nodes: { a: { allocatable: { pods: '1' } } },
    placed: { p: { on: 'a' } },
    pod: {},
    expect: `0/1 nodes are available: 1 Too many pods. ${noVictims(1)}`,
  },
  {
    name: 'a host port that is taken on one node',
    nodes: two,
    placed: { p: { on: 'a', spec: { containers: [{ name: 'c', ports: [{ hostPort: 80 }] }] } } },
    pod: { spec: { containers: [{ name: 'c', ports: [{ hostPort: 80 }] }] } },
    expect: 'b',
  },
  {
    name: 'a host port that is taken everywhere',
    nodes: { a: {} },
    placed: {
      p: { on: 'a', spec: { containers: [{ name: 'c', ports: [{ hostPort: 80, protocol: 'TCP' }] }] } },
    },
    pod: { spec: { containers: [{ name: 'c', ports: [{ hostPort: 80, hostIP: '127.0.0.1' }] }] } },
    expect: `0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. ${noVictims(1)}`,
  },
  {
    name: 'an image that is on one node',
    nodes: { a: {}, b: { status: { images: [{ names: ['busybox:latest'], sizeBytes: 900e6 }] } } },
    pod: {},
    expect: 'b',
  },
  {
    name: 'the emptier node',
    nodes: two,
    placed: { p: { on: 'a', requests: { cpu: '1', memory: '1Gi' } } },
    pod: { requests: { cpu: '100m', memory: '100Mi' } },
    expect: 'b',
  },
  {
    name: 'company that is nowhere',
    nodes: two,
    pod: { spec: affinity('kubernetes.io/hostname', 'none') },
    expect: `0/2 nodes are available: 2 node(s) didn't match pod affinity rules. ${helpless(2)}`,
  },
  {
    name: 'company in one zone',
    nodes: zones,
    placed: { p: { on: 'b', labels: { app: 'db' } } },
    pod: { spec: affinity('zone', 'db') },
    expect: 'b',
  },
  {
    name: 'company in another namespace only',
    nodes: zones,
    placed: { p: { on: 'b', labels: { app: 'db' }, namespace: 'other' } },
    pod: { spec: affinity('zone', 'db') },
    expect: `0/2 nodes are available: 2 node(s) didn't match pod affinity rules. ${helpless(2)}`,
  },
  {
    name: 'the first pod of a group that wants to be together',
    nodes: { a: {} },
    pod: { labels: { app: 'db' }, spec: affinity('kubernetes.io/hostname', 'db') },
    expect: 'a',
  },
  {
    name: 'a third pod of those that keep apart on two nodes',
    nodes: two,
    placed: { p: { on: 'a', labels: { app: 'w' } }, q: { on: 'b', labels: { app: 'w' } } },
    pod: { labels: { app: 'w' }, spec: antiAffinity('kubernetes.io/hostname', 'w') },
    expect: `0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. ${noVictims(2)}`,
  },
  {
    name: 'a pod that those who are there keep away',
    nodes: { a: {} },
    placed: { p: { on: 'a', spec: antiAffinity('kubernetes.io/hostname', 'w') } },
    pod: { labels: { app: 'w' } },
    expect: `0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. ${noVictims(1)}`,
  },
  {
    name: 'company that one would like',
    nodes: zones,
    placed: { p: { on: 'b', labels: { app: 'db' } } },
    pod: { spec: preferNear(10) },
    expect: 'b',
  },
  {
    name: 'company that one would rather not have',
    nodes: zones,
    placed: { p: { on: 'b', labels: { app: 'db' } }, q: { on: 'a' } },
    pod: { spec: preferNear(10, 'podAntiAffinity') },
    expect: 'a',
  },
  {
    name: 'a spread over labels that no node has',
    nodes: two,
    pod: { spec: spread('no/label') },
    expect: `0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints (missing required label). ${helpless(2)}`,
  },
  {
    name: 'a spread that evens out',
    nodes: zones,
    placed: { p: { on: 'a', labels: { app: 'web' } } },
    pod: { labels: { app: 'web' }, spec: spread('zone') },
    expect: 'b',
  },
  {
    name: 'a spread that only a full node would even out',
    nodes: { a: { labels: { zone: 'x' } }, b: { labels: { zone: 'y' }, allocatable: { pods: '0' } } },
    placed: { p: { on: 'a', labels: { app: 'web' } } },
    pod: { labels: { app: 'web' }, spec: spread('zone') },
    expect: `0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints. ${noVictims(2)}`,
  },
  {
    name: 'a spread that does not count a zone where the pod may not be',
    nodes: zones,
    placed: { p: { on: 'a', labels: { app: 'web' } } },
    pod: { labels: { app: 'web' }, spec: { ...spread('zone'), nodeSelector: { zone: 'x' } } },
    expect: 'a',
  },
  {
    name: 'a spread over more domains than there are',
    nodes: zones,
    placed: { p: { on: 'a', labels: { app: 'web' } }, q: { on: 'b', labels: { app: 'web' } } },
    pod: { labels: { app: 'web' }, spec: spread('zone', { minDomains: 3 }) },
    expect: `0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints. ${noVictims(2)}`,
  },
  {
    name: 'a spread that one would like',
    nodes: zones,
    placed: { p: { on: 'a', labels: { app: 'web' } }, q: { on: 'b' } },
    pod: { labels: { app: 'web' }, spec: spread('zone', { whenUnsatisfiable: 'ScheduleAnyway' }) },
    expect: 'b',
  },
  {
    name: 'a claim that is not there',
    nodes: two,
    pod: { spec: claimVolume('none') },
    expect: `0/2 nodes are available: persistentvolumeclaim "none" not found. not found`,
  },
  {
    name: 'a claim that waits for a volume',
    nodes: two,
    objects: [
      [
        PersistentVolumeClaim,
        named('claim', { spec: { storageClassName: '' }, status: { phase: 'Pending' } }),
      ],
    ],
    pod: { spec: claimVolume('claim') },
    expect: `0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found`,
  },
  {
    name: 'a volume that is on one node',
    nodes: two,
    objects: [
      [
        PersistentVolumeClaim,
        {
          metadata: {
            name: 'c',
            namespace: 'default',
            uid: 'c',
            annotations: { 'pv.kubernetes.io/bind-completed': 'yes' },
          },
          spec: { volumeName: 'v' },
        },
      ],
      [
        PersistentVolume,
        {
          metadata: { name: 'v' },
          spec: {
            nodeAffinity: {
              required: {
                nodeSelectorTerms: [
                  { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] }] },
                ],
              },
            },
          },
        },
      ],
    ],
    pod: { spec: claimVolume('c') },
    expect: 'b',
  },
  {
    name: 'a claim of a class without provisioner, when no volume is left',
    nodes: two,
    objects: [
      [
        StorageClass,
        {
          metadata: { name: 'manual' },
          provisioner: 'kubernetes.io/no-provisioner',
          volumeBindingMode: 'WaitForFirstConsumer',
        },
      ],
      [PersistentVolumeClaim, named('c', { spec: { storageClassName: 'manual' } })],
    ],
    pod: { spec: claimVolume('c') },
    expect: `0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. ${helpless(2)}`,
  },
  {
    name: 'a claim that only one pod may use, in use',
    nodes: two,
    objects: [
      [
        PersistentVolumeClaim,
        {
          metadata: {
            name: 'c',
            namespace: 'default',
            uid: 'c',
            annotations: { 'pv.kubernetes.io/bind-completed': 'yes' },
          },
          spec: { volumeName: 'v', accessModes: ['ReadWriteOncePod'] },
        },
      ],
      [PersistentVolume, { metadata: { name: 'v' }, spec: {} }],
    ],
    placed: { p: { on: 'a', spec: claimVolume('c') } },
    pod: { spec: claimVolume('c') },
    expect: `0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod. ${noVictims(2)}`,
  },
];

for (const row of rows)
  test(`${row.name}: ${[row.expect].flat().join(' or ')}`, async () => {
    const cluster = new FakeCluster();
    cluster.addNodes(...Object.entries(row.nodes).map(([name, parts]): Node => makeNode(name, parts)));
    for (const [type, object] of row.objects ?? [])
      cluster.put(type as typeof StorageClass, object as StorageClass);
    for (const [name, { on, ...parts }] of Object.entries(row.placed ?? {}))
      cluster.addPods(makePod(name, { ...parts, spec: { ...parts.spec, nodeName: on } }) as Pod);
    cluster.addPods(makePod('x', row.pod));
    cluster.start();
    await cluster.clock.advance(0);
    const node = cluster.nodeOf('x');
    const said = cluster.eventsOf('x')[0]?.replace('FailedScheduling: ', '');
    assert.ok([row.expect].flat().includes(node ?? said ?? ''), `got ${node ?? said}`);
    await cluster.stop();
  });
