import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim, Pod, ResourceSlice, VolumeAttachment } from '../../api/resources.gen.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import type { Attributes } from './authorizer.ts';
import { nodeAuthorizer } from './node-authorizer.ts';
import { selectedBy } from './selected.ts';

const objects = new FakeObjects()
  .put(Pod, {
    metadata: { namespace: 'default', name: 'p' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'robot',
      containers: [{ name: 'c', envFrom: [{ secretRef: { name: 'env' } }] }],
      volumes: [
        { name: 'a', configMap: { name: 'conf' } },
        { name: 'b', persistentVolumeClaim: { claimName: 'data' } },
      ],
      resourceClaims: [{ name: 'named', resourceClaimName: 'gpu' }, { name: 'made' }],
    },
    status: { resourceClaimStatuses: [{ name: 'made', resourceClaimName: 'p-made' }] },
  })
  .put(Pod, { metadata: { namespace: 'default', name: 'q' }, spec: { nodeName: 'n2', containers: [] } })
  .put(PersistentVolumeClaim, {
    metadata: { namespace: 'default', name: 'data' },
    spec: { volumeName: 'pv1' },
  })
  .put(VolumeAttachment, {
    metadata: { name: 'va' },
    spec: { attacher: 'a', nodeName: 'n1', source: { persistentVolumeName: 'pv1' } },
  })
  .put(ResourceSlice, {
    metadata: { name: 'rs' },
    spec: { driver: 'd', nodeName: 'n1', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
  });
const authorize = nodeAuthorizer(objects, [
  { apiGroups: [''], resources: ['services', 'pods', 'nodes'], verbs: ['*'] },
]);

/** `what`: `[group/]resource[.subresource][:namespace/name][?query]` of a node. */
function decide(node: string, verb: string, what: string) {
  const [, group = '', resource = '', subresource = '', , namespace = '', name = '', query = ''] =
    /^(?:([^/:?]+)\/)?(\w+)(?:\.(\w+))?(:([^/]*)\/([^?]*))?(?:\?(.*))?$/.exec(what)!;
  const user = { name: `system:node:${node}`, groups: ['system:nodes'] };
  const info = { verb, isResource: true, path: '', group, version: 'v1', rest: '' };
  const full = { ...info, resource, subresource, namespace, name };
  const selected = selectedBy(full, new URLSearchParams(query));
  return authorize({ ...full, user, ...(selected && { selected }) } as Attributes);
}

const unrelated = "no relationship found between node 'n2' and this object";

test('a node reads what its own pods lead to, and only that, in upstream’s words', () => {
  /** Allowed for n1, and refused to n2. */
  const own: [verb: string, what: string][] = [
    ['get', 'secrets:default/env'],
    ['watch', 'configmaps:default/conf'],
    ['get', 'serviceaccounts:default/robot'],
    ['create', 'serviceaccounts.token:default/robot'],
    ['get', 'persistentvolumeclaims:default/data'],
    ['patch', 'persistentvolumeclaims.status:default/data'],
    ['get', 'persistentvolumes:/pv1'],
    ['get', 'resource.k8s.io/resourceclaims:default/gpu'],
    ['get', 'resource.k8s.io/resourceclaims:default/p-made'],
    ['get', 'storage.k8s.io/volumeattachments:/va'],
    ['get', 'pods:default/p'],
    ['watch', 'pods:default/p'],
    ['patch', 'resource.k8s.io/resourceslices:/rs'],
    ['delete', 'resource.k8s.io/resourceslices:/rs'],
  ];
  for (const [verb, what] of own) {
    assert.deepEqual(decide('n1', verb, what), { allowed: true }, `${verb} ${what}`);
    assert.deepEqual(decide('n2', verb, what), { allowed: false, reason: unrelated }, `${verb} ${what}`);
  }
});

test('a node lists pods and slices by its own name, and sees no other node', () => {
  const rows: [verb: string, what: string, reason: string | true][] = [
    ['list', 'pods?fieldSelector=spec.nodeName%3Dn1', true],
    ['watch', 'pods:default/?fieldSelector=status.phase!%3DFailed,spec.nodeName%3D%3Dn1', true],
    ['list', 'pods', 'can only list/watch pods with spec.nodeName field selector'],
    [
      'list',
      'pods?fieldSelector=spec.nodeName%3Dn2',
      'can only list/watch pods with spec.nodeName field selector',
    ],
    [
      'list',
      'pods?fieldSelector=spec.nodeName!%3Dn1',
      'can only list/watch pods with spec.nodeName field selector',
    ],
    ['list', 'pods?fieldSelector=,,%3D', 'can only list/watch pods with spec.nodeName field selector'],
    ['create', 'pods:default/', true],
    ['patch', 'pods.status:default/q', true],
    ['create', 'pods.eviction:default/q', true],
    ['get', 'pods.log:default/p', ''],
    ['update', 'pods:default/p', ''],
    ['get', 'nodes:/n1', true],
    ['patch', 'nodes.status:/n2', true],
    ['delete', 'nodes:/n1', ''],
    ['get', 'nodes:/n2', "node 'n1' cannot read 'n2', only its own Node object"],
    ['list', 'nodes', "node 'n1' cannot read all nodes, only its own Node object"],
    ['list', 'resource.k8s.io/resourceslices?fieldSelector=spec.nodeName%3Dn1', true],
    [
      'deletecollection',
      'resource.k8s.io/resourceslices',
      'can only list/watch/deletecollection resourceslices with nodeName field selector',
    ],
    ['list', 'services', true],
    ['list', 'secrets', 'can only read namespaced object of this type'],
    ['list', 'secrets:default/', 'No Object name found'],
    ['update', 'secrets:default/env', 'can only read resources of this type'],
    ['list', 'persistentvolumes', 'can only get individual resources of this type'],
    ['get', 'persistentvolumeclaims.status:default/data', 'can only get/update/patch this type'],
    ['list', 'serviceaccounts', 'can only create tokens for individual service accounts'],
    ['update', 'coordination.k8s.io/leases:kube-node-lease/n1', true],
    [
      'update',
      'coordination.k8s.io/leases:kube-node-lease/n2',
      'can only access node lease with the same name as the requesting node',
    ],
    [
      'get',
      'coordination.k8s.io/leases:default/n1',
      'can only access leases in the "kube-node-lease" system namespace',
    ],
    ['list', 'storage.k8s.io/csinodes', 'can only get, create, update, patch, or delete a CSINode'],
    [
      'get',
      'storage.k8s.io/csinodes:/n2',
      'can only access CSINode with the same name as the requesting node',
    ],
    ['get', 'configmaps.x:default/conf', 'cannot read subresource'],
    ['list', 'rbac.authorization.k8s.io/roles', ''],
  ];
  for (const [verb, what, reason] of rows) {
    const { allowed, reason: given = '' } = decide('n1', verb, what);
    assert.equal(allowed || given, reason, `${verb} ${what}`);
  }
});

test('users that are no nodes, or have no node name, get no opinion', () => {
  const question = {
    verb: 'get',
    isResource: true,
    group: '',
    resource: 'nodes',
    subresource: '',
    name: 'n1',
  };
  const asked = (name: string, groups: string[]) =>
    authorize({ ...question, path: '', version: 'v1', namespace: '', user: { name, groups } });
  assert.deepEqual(asked('system:node:n1', []), { allowed: false });
  assert.deepEqual(asked('bob', ['system:nodes']), { allowed: false });
  const reason = 'unknown node for user "system:node:"';
  assert.deepEqual(asked('system:node:', ['system:nodes']), { allowed: false, reason });
});
