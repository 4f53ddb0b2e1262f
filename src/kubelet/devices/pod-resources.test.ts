import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { ClaimRecord } from '../dynamic-resources/claim-records.ts';
import { testPod } from '../pod.fixture.ts';
import type { DeviceInventory, KnownDevice } from './device-allocator.ts';
import { type PodResourcesOptions, servePodResources } from './pod-resources.ts';

/** As a client reads it, with the fields that stay empty here. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Empty {}
  message Node { int64 ID = 1; }
  message Topology { repeated Node nodes = 1; }
  message Devices { string resource_name = 1; repeated string device_ids = 2; Topology topology = 3; }
  message Cdi { string name = 1; }
  message ClaimResource {
    repeated Cdi cdi_devices = 1; string driver_name = 2; string pool_name = 3; string device_name = 4;
    optional string share_id = 5;
  }
  message Claim { string claim_name = 2; string claim_namespace = 3; repeated ClaimResource claim_resources = 4; }
  message Container {
    string name = 1; repeated Devices devices = 2; repeated int64 cpu_ids = 3; repeated Claim dynamic_resources = 5;
  }
  message PodOfNode { string name = 1; string namespace = 2; repeated Container containers = 3; }
  message ListResponse { repeated PodOfNode pod_resources = 1; }
  message AllocatableResponse { repeated Devices devices = 1; repeated int64 cpu_ids = 2; }
  message GetRequest { string pod_name = 1; string pod_namespace = 2; }
  message GetResponse { PodOfNode pod_resources = 1; }
`);

function ask(client: Client, method: string, [request, response]: readonly [string, string], body = {}) {
  const [requestType, responseType] = [root.lookupType(request), root.lookupType(response)];
  return new Promise<object>((resolve, reject) =>
    client.makeUnaryRequest(
      `/v1.PodResourcesLister/${method}`,
      (message: object) => Buffer.from(requestType.encode(message).finish()),
      (bytes: Buffer) => responseType.toObject(responseType.decode(bytes), { longs: Number }),
      body,
      (error: ServiceError | null, answer?: object) => (error ? reject(error) : resolve(answer!)),
    ),
  );
}

const resourceName = 'example.com/gpu';
const held: Record<string, KnownDevice[]> = {
  main: [
    { resourceName, id: 'near', numaNodes: [0, 1], isHealthy: true },
    { resourceName, id: 'anywhere', numaNodes: [], isHealthy: true },
  ],
};
const devices: DeviceInventory = {
  ofContainer: (uid, container) => (uid === 'u' ? (held[container] ?? []) : []),
  offered: () => [...held.main!, { resourceName, id: 'free', numaNodes: [1], isHealthy: true }],
};
const record: ClaimRecord = {
  namespace: 'ns',
  name: 'mine',
  uid: 'v',
  podUids: ['u'],
  isPrepared: true,
  devices: {
    'a.b': [
      { requestNames: [], poolName: 'pool', deviceName: 'd0', cdiDeviceIds: ['a.b/c=0'], shareId: 's' },
    ],
  },
};
const claims: PodResourcesOptions['claims'] = {
  claimsOf: (_, { name }) => (name === 'main' ? [{ entry: 'gpu', record }] : []),
};
const devicesOf = (id: string, node?: number) => ({
  resourceName,
  deviceIds: [id],
  ...(node !== undefined && { topology: { nodes: [{ ID: node }] } }),
});

test('programs of the node learn which containers have which devices, and where those are', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-pod-resources-'));
  const stop = new AbortController();
  const made = testPod({
    initContainers: [{ name: 'setup' }, { name: 'side', restartPolicy: 'Always' }],
    containers: [{ name: 'main' }],
  });
  const pod = { ...made, metadata: { ...made.metadata, name: 'p', namespace: 'ns', uid: 'u' } };
  const find = (namespace: string, name: string) => (`${namespace}/${name}` === 'ns/p' ? pod : undefined);
  const requests: string[] = [];
  const metrics = {
    requested: (method: string, outcome: string) => void requests.push(`${method} ${outcome}`),
  };
  await servePodResources({ folder, devices, claims, pods: () => [pod], find, metrics }, stop.signal);
  const client = new Client(`unix://${join(folder, 'kubelet.sock')}`, credentials.createInsecure());
  t.after(() => {
    client.close();
    stop.abort();
    rmSync(folder, { recursive: true });
  });

  const claimResources = [
    {
      cdiDevices: [{ name: 'a.b/c=0' }],
      driverName: 'a.b',
      poolName: 'pool',
      deviceName: 'd0',
      shareId: 's',
    },
  ];
  const main = {
    name: 'main',
    devices: [devicesOf('near', 0), devicesOf('near', 1), devicesOf('anywhere')],
    dynamicResources: [{ claimName: 'mine', claimNamespace: 'ns', claimResources }],
  };
  const expected = { name: 'p', namespace: 'ns', containers: [{ name: 'side' }, main] };
  assert.deepEqual(await ask(client, 'List', ['Empty', 'ListResponse']), { podResources: [expected] });
  assert.deepEqual(await ask(client, 'GetAllocatableResources', ['Empty', 'AllocatableResponse']), {
    devices: [...main.devices, devicesOf('free', 1)],
  });
  const get = (podName: string) =>
    ask(client, 'Get', ['GetRequest', 'GetResponse'], { podName, podNamespace: 'ns' });
  assert.deepEqual(await get('p'), { podResources: expected });
  await assert.rejects(get('q'), /^Error: 2 UNKNOWN: pod q in namespace ns not found$/);
  assert.deepEqual(requests, ['list succeeded', 'get_allocatable succeeded', 'get succeeded', 'get failed']);
});
