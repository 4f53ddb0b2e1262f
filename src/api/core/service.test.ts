import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../types/core-v1.gen.ts';
import { serviceKind } from './service.ts';

function service(spec: object): Service {
  const object = { metadata: { name: 's' }, spec } as Service;
  serviceKind.defaults!(object);
  return object;
}

function created(spec: object): Service {
  const object = service(spec);
  serviceKind.prepareCreate!(object);
  return object;
}

/** What a client's update becomes. */
function updated(spec: object, old: Service): Service {
  const object = service(spec);
  serviceKind.prepareUpdate!(object, old, '2026-01-01T00:00:00Z');
  serviceKind.defaults!(object);
  return object;
}

const fields = (object: Service) =>
  [...serviceKind.validate(object, { subresource: '' })].map(({ field }) => field);
const ports = [{ port: 80 }];
const allocated = { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] };

test('an update that leaves out what the server chose keeps it', () => {
  const old = created({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }], ...allocated });
  const next = updated({ type: 'NodePort', ports: [{ port: 80 }, { name: 'b', port: 81 }] }, old);
  assert.equal(next.spec!.clusterIP, '10.96.0.9');
  assert.deepEqual(next.spec!.clusterIPs, ['10.96.0.9']);
  assert.deepEqual(
    next.spec!.ports!.map((port) => port.nodePort),
    [30001, undefined],
  );
});

test('fields that the new type of a Service lacks are dropped', () => {
  const old = created({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }], ...allocated });
  const plain = updated({ ...structuredClone(old.spec), type: 'ClusterIP' }, old);
  assert.equal(plain.spec!.ports![0]!.nodePort, undefined);
  assert.equal(plain.spec!.externalTrafficPolicy, undefined);
  assert.deepEqual(fields(plain), []);
  const named = updated({ type: 'ExternalName', externalName: 'a.b' }, old);
  assert.equal(named.spec!.clusterIP, undefined);
  assert.equal(named.spec!.ipFamilies, undefined);
  const patched = updated({ ...structuredClone(old.spec), type: 'ExternalName', externalName: 'a.b' }, old);
  assert.equal(old.spec!.internalTrafficPolicy, 'Cluster');
  assert.equal(patched.spec!.internalTrafficPolicy, 'Cluster', 'it does not depend on the type');
  assert.deepEqual(fields(named), []);
});

test('a Service has an external traffic policy for as long as it is reached from outside', () => {
  const reached = { externalIPs: ['192.0.2.1'], ...allocated };
  const old = created({ ports, ...reached });
  const inner = updated({ ...structuredClone(old.spec), externalIPs: [] }, old);
  assert.equal(inner.spec!.externalTrafficPolicy, undefined);
  assert.deepEqual(fields(inner), []);
  const node = created({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }], ...reached });
  const stillReached = updated({ ...structuredClone(node.spec), type: 'ClusterIP' }, node);
  assert.equal(stillReached.spec!.externalTrafficPolicy, 'Cluster');
  assert.deepEqual(fields(stillReached), []);
});

test('a Service that is no longer of type LoadBalancer has no address outside from then on', () => {
  const old = created({ type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30001 }], ...allocated });
  old.status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  const { status } = old;
  const plain = { ...service({ ...structuredClone(old.spec), type: 'ClusterIP' }), status };
  serviceKind.prepareUpdate!(plain, old, '');
  assert.deepEqual(plain.status, { loadBalancer: {} });
  assert.deepEqual(status, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
});

test('the address of a Service stays as it is', () => {
  const old = created({ ports, ...allocated });
  // As sent by kubectl apply, and as left by a patch of the one field.
  for (const clusterIPs of [undefined, allocated.clusterIPs]) {
    const other = updated({ ports, clusterIP: '10.96.0.10', ...(clusterIPs && { clusterIPs }) }, old);
    const errors = [...serviceKind.validateUpdate!(other, old, { subresource: '' })];
    assert.deepEqual(
      errors.map(({ text }) => text),
      ['spec.clusterIPs[0]: Invalid value: ["10.96.0.10"]: may not change once set'],
    );
    assert.deepEqual(fields(other), []);
  }
});

test('types, addresses and ports fit together', () => {
  const rows: [object, string[]][] = [
    [{ ports }, []],
    [{ clusterIP: 'None', clusterIPs: ['None'] }, []],
    [{}, ['spec.ports']],
    [{ ports, type: 'NodePort', clusterIP: 'None', clusterIPs: ['None'] }, ['spec.clusterIPs[0]']],
    [{ ports, type: 'ExternalName', externalName: 'a.b', ...allocated }, ['spec.clusterIPs']],
    [{ ports: [{ port: 80 }, { port: 81 }] }, ['spec.ports[0].name', 'spec.ports[1].name']],
    [{ ports, type: 'LoadBalancer', loadBalancerClass: 'a b' }, ['spec.loadBalancerClass']],
    [{ ports, loadBalancerClass: 'a.b/c' }, ['spec.loadBalancerClass']],
    [{ ports, internalTrafficPolicy: 'Foo' }, ['spec.internalTrafficPolicy']],
    [{ ports, healthCheckNodePort: 30000 }, ['spec.healthCheckNodePort']],
  ];
  for (const [spec, expected] of rows)
    assert.deepEqual(fields(service(spec)), expected, JSON.stringify(spec));
});

test('a headless Service without a selector leaves the family open', () => {
  assert.deepEqual(created({ clusterIP: 'None' }).spec!.ipFamilies, ['IPv4', 'IPv6']);
  assert.deepEqual(created({ clusterIP: 'None', selector: { a: 'b' } }).spec!.ipFamilies, ['IPv4']);
});

test('the table shows ports, and where a Service is reached from outside', () => {
  const cells = (object: Service) =>
    Object.fromEntries(serviceKind.columns.map((column) => [column.name, column.cell(object, { nowMs: 0 })]));
  const balanced = created({ type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30001 }], ...allocated });
  assert.equal(cells(balanced)['External-IP'], '<pending>');
  balanced.status = { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } };
  assert.equal(cells(balanced)['External-IP'], '1.2.3.4');
  assert.equal(cells(balanced)['Port(s)'], '80:30001/TCP');
  assert.equal(cells(created({ clusterIP: 'None' }))['Port(s)'], '<none>');
});
