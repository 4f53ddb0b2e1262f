import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, PersistentVolume, Pod, VolumeAttachment } from '../../../api/resources.gen.ts';
import { type AttachInput, attachedAfter, planAttachments } from './attach-plan.ts';

const volumeOf = (...accessModes: string[]) =>
  ({
    metadata: { name: 'pv' },
    spec: { accessModes, csi: { driver: 'd', volumeHandle: 'h' } },
  }) as PersistentVolume;
const pod = (name: string, namespace = 'ns') => ({ metadata: { name, namespace } }) as Pod;
const attachment = (nodeName: string, attached = true, isGoing = false) =>
  ({
    metadata: { name: nodeName, ...(isGoing && { deletionTimestamp: 'now' }) },
    spec: { nodeName },
    status: { attached },
  }) as VolumeAttachment;
const nodes = (inUse: Record<string, string[]>) => (name: string) =>
  name in inUse ? ({ status: { volumesInUse: inUse[name] } } as Node) : undefined;
const used = ['kubernetes.io/csi/d^h'];

function planned(input: Partial<AttachInput>) {
  const { attach, detach, offer, blocked } = planAttachments({
    volume: volumeOf('ReadWriteOnce'),
    isAttachable: true,
    users: new Map(),
    attachments: [],
    node: nodes({ a: [], b: [] }),
    heldMs: () => 0,
    ...input,
  });
  const names = (list: readonly VolumeAttachment[]) => list.map(({ metadata }) => metadata.name);
  return {
    attach,
    detach: names(detach),
    offer: names(offer),
    blocked: blocked.map(({ message }) => message),
  };
}

const nothing = { attach: [], detach: [], offer: [], blocked: [] };
const onA = new Map([['a', [pod('p')]]]);
const onBoth = new Map([
  ['a', [pod('p')]],
  ['b', [pod('q')]],
]);

test('a volume is attached where its pods are, and detached where it is no longer used', () => {
  const rows: [string, Partial<AttachInput>, Partial<ReturnType<typeof planned>>][] = [
    ['a pod came', { users: onA }, { attach: ['a'] }],
    ['its node is gone', { users: onA, node: nodes({}) }, {}],
    ['the driver attaches nothing', { users: onA, isAttachable: false }, {}],
    ['it is on its way', { users: onA, attachments: [attachment('a', false)] }, {}],
    ['it is there', { users: onA, attachments: [attachment('a')] }, { offer: ['a'] }],
    ['it is being detached: first that', { users: onA, attachments: [attachment('a', true, true)] }, {}],
    ['nobody is left', { attachments: [attachment('a')] }, { detach: ['a'] }],
    [
      'nobody is left, but the node uses it',
      { attachments: [attachment('a')], node: nodes({ a: used }) },
      {},
    ],
    ['the node is gone', { attachments: [attachment('a')], node: nodes({}) }, { detach: ['a'] }],
    ['it is detached already', { attachments: [attachment('a', true, true)] }, {}],
    [
      'for many',
      { users: onBoth, volume: volumeOf('ReadWriteMany'), attachments: [attachment('a')] },
      { attach: ['b'], offer: ['a'] },
    ],
  ];
  for (const [name, input, expected] of rows)
    assert.deepEqual(planned(input), { ...nothing, ...expected }, name);
});

test('a volume for one node waits for that node to let go, and says who has it', () => {
  const prefix = 'Multi-Attach error for volume "pv" Volume is';
  const rows: [Partial<AttachInput>, string][] = [
    [{ users: onBoth }, `${prefix} already used by pod(s) p`],
    [
      { users: new Map([['b', [pod('q')]]]), node: nodes({ a: used, b: [] }) },
      `${prefix} already exclusively attached to one node and can't be attached to another`,
    ],
    [
      {
        users: new Map([
          ['a', [pod('p', 'other')]],
          ['b', [pod('q')]],
        ]),
      },
      `${prefix} already used by 1 pod(s) in different namespaces`,
    ],
  ];
  for (const [input, message] of rows) {
    const plan = planned({ attachments: [attachment('a')], ...input });
    assert.deepEqual([plan.attach, plan.blocked], [[], [message]]);
  }
});

test('a node that is off, or silent for long, is not waited for to let go', () => {
  const node = (ready: string, taint?: string) => () =>
    ({
      spec: { ...(taint && { taints: [{ key: taint, effect: 'NoExecute' }] }) },
      status: { volumesInUse: used, conditions: [{ type: 'Ready', status: ready }] },
    }) as unknown as Node;
  const minutes = (count: number) => () => count * 60_000;
  const rows: [string, Partial<AttachInput>, string[]][] = [
    ['silent for a short while', { node: node('Unknown'), heldMs: minutes(5) }, []],
    ['silent for long', { node: node('Unknown'), heldMs: minutes(6) }, ['a']],
    ['slow, but ready', { node: node('True'), heldMs: minutes(60) }, []],
    ['off', { node: node('Unknown', 'node.kubernetes.io/out-of-service') }, ['a']],
  ];
  for (const [name, input, detach] of rows)
    assert.deepEqual(planned({ attachments: [attachment('a')], ...input }).detach, detach, name);
});

test('the list of a node changes only by the volume that comes or goes', () => {
  const node = (...names: string[]) =>
    ({ status: { volumesAttached: names.map((name) => ({ name, devicePath: 'x' })) } }) as Node;
  const names = (given: Node, name: string, isAttached: boolean) =>
    attachedAfter(given, name, { isAttached })?.map((each) => each.name);
  assert.deepEqual(names(node('a'), 'b', true), ['a', 'b']);
  assert.deepEqual(names(node('a', 'b'), 'a', false), ['b']);
  assert.equal(names(node('a'), 'a', true), undefined);
  assert.equal(names({} as Node, 'a', false), undefined);
});
