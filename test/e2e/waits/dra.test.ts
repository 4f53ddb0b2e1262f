/** A driver of claimed devices that runs as a pod, as people bring them: what it gives is seen in containers, and given back. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from '../images.ts';
import { eventually, root, TestCluster } from '../test-cluster.ts';

const image = 'test.local/busybox:1';
const driver = 'dra.test.example';
const timeout = 180_000;

/** What real drivers are given: their own slices, and a look at claims. */
const setUp = `
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: ${driver}}
spec: {selectors: [{cel: {expression: 'device.driver == "${driver}"'}}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: driver}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: driver}
rules:
- {apiGroups: [resource.k8s.io], resources: [resourceslices], verbs: [get, create]}
- {apiGroups: [resource.k8s.io], resources: [resourceclaims], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: driver}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: driver}
subjects: [{kind: ServiceAccount, name: driver, namespace: default}]
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec:
  spec:
    devices:
      requests:
      - {name: first, exactly: {deviceClassName: ${driver}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: two}
spec:
  spec:
    devices:
      requests:
      - {name: first, exactly: {deviceClassName: ${driver}}}
      - {name: second, exactly: {deviceClassName: ${driver}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: shared}
spec:
  devices:
    requests:
    - {name: first, exactly: {deviceClassName: ${driver}}}
`;

/** In the node's files, as a privileged pod of a real driver is. */
const driverPod = (instance: string, service = 'v1.DRAPlugin') => `
apiVersion: v1
kind: Pod
metadata: {name: driver-${instance}, labels: {app: driver}}
spec:
  serviceAccountName: driver
  hostPID: true
  hostNetwork: true
  terminationGracePeriodSeconds: 5
  containers:
  - name: driver
    image: ${image}
    env: [{name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
    command: [sh, -c]
    args:
    - >-
      exec chroot /host ${process.execPath} ${join(root, 'test/e2e/dra-driver.ts')} ${driver} wherry ${instance} ${service}
      /var/lib/kubelet/pods/$UID/volumes/kubernetes.io~projected/$(basename /host/var/lib/kubelet/pods/$UID/volumes/kubernetes.io~projected/kube-api-access-*)
    securityContext: {privileged: true}
    volumeMounts: [{name: host, mountPath: /host, mountPropagation: HostToContainer}]
  volumes: [{name: host, hostPath: {path: /}}]
`;

const user = (name: string, claim: string, requests = ['']) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 1
  resourceClaims: [{name: gpu, ${claim}}]
  containers:
${requests
  .map(
    (request, index) => `
  - name: c${index}
    image: ${image}
    command: [sh, -c, 'until test -e /end; do sleep 0.2; done']
    resources: {claims: [{name: gpu${request && `, request: ${request}`}}]}`,
  )
  .join('')}
`;
/** Two containers, with a device each. */
const wanting = (name: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
${[0, 1]
  .map(
    (index) => `
  - name: c${index}
    image: ${image}
    command: [sh, -c, 'until test -e /end; do sleep 0.2; done']
    resources: {limits: {deviceclass.resource.kubernetes.io/${driver}: 1}}`,
  )
  .join('')}
`;
const ofTemplate = (name: string) => `resourceClaimTemplateName: ${name}`;
const shared = 'resourceClaimName: shared';

suite('a driver of claimed devices', () => {
  const cluster = new TestCluster();
  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
  });
  after(() => cluster.delete());

  const read = (...args: string[]) => cluster.kubectl('get', ...args);
  const shell = (pod: string, script: string, container = 'c0') =>
    cluster.kubectl('exec', pod, '-c', container, '--', 'sh', '-c', script);
  const ready = (pod: string) =>
    cluster.kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s');
  const nodePath = (path: string) => join(`/proc/${cluster.pidOf('wherry/holder')}/root`, path);
  const driverFile = (name: string) => join(nodePath(`/var/lib/kubelet/plugins/${driver}`), name);
  const specs = () => {
    // By its own name: the link /var/run would lead out of the node.
    const folder = nodePath('/run/cdi');
    return existsSync(folder) ? readdirSync(folder) : [];
  };

  interface Line {
    instance: string;
    method?: string;
    begins?: boolean;
    claim?: string;
    registered?: boolean;
  }
  /** What the driver was asked, oldest first. */
  async function lines(instance: string): Promise<Line[]> {
    const text = await cluster.kubectl('logs', `driver-${instance}`, '--tail=-1');
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
  }
  const doneBy = async (instance: string, method: string) =>
    (await lines(instance)).filter((line) => line.method === method && !line.begins).length;
  const registered = (instance: string) =>
    eventually('the driver is registered', async () =>
      (await lines(instance)).some((line) => line.registered),
    );
  const hasSlice = async () => (await read('resourceslices', '-o', 'name')).includes(driver);
  const metric = async (name: string) => {
    const text = await read('--raw', '/api/v1/nodes/wherry/proxy/metrics');
    return text.split('\n').filter((line) => line.startsWith(name));
  };

  test('registers and offers its devices under its own account', { timeout }, async () => {
    await cluster.apply(setUp);
    await cluster.apply(driverPod('one'));
    await registered('one');
    await eventually('it has offered its devices', hasSlice);
  });

  test('each container of a pod sees what it asks for of the claim that was made for the pod', {
    timeout,
  }, async () => {
    await cluster.apply(user('pair', ofTemplate('two'), ['first', 'second']));
    await ready('pair');
    const claim = await read(
      'pod',
      'pair',
      '-o',
      'jsonpath={.status.resourceClaimStatuses[0].resourceClaimName}',
    );
    for (const [container, request] of [
      ['c0', 'FIRST'],
      ['c1', 'SECOND'],
    ] as const) {
      const environment = await shell('pair', 'env', container);
      const device = new RegExp(`^DEVICE_${request}=(d\\d)$`, 'm').exec(environment)?.[1];
      assert.ok(device, environment);
      assert.match(environment, new RegExp(`^CLAIM=${claim}$`, 'm'));
      assert.doesNotMatch(environment, new RegExp(request === 'FIRST' ? 'SECOND' : 'FIRST'));
      assert.equal(await shell('pair', 'ls /dev/dra', container), `${device}\n`);
      // The node is the one of zeros, whose bytes can be read only if the container may use it.
      assert.equal(await shell('pair', `head -c 2 /dev/dra/${device} | od -An -tx1`, container), ' 00 00\n');
      assert.equal(await shell('pair', `cat /claims/${claim}`, container), `made for ${claim}\n`);
      assert.notEqual(
        (await cluster.tryKubectl(['exec', 'pair', '-c', container, '--', 'touch', `/claims/${claim}`])).code,
        0,
      );
    }
    assert.deepEqual(await metric('dra_resource_claims_in_use'), [
      'dra_resource_claims_in_use{driver_name="<any>"} 1',
      `dra_resource_claims_in_use{driver_name="${driver}"} 1`,
    ]);
    await cluster.kubectl('delete', 'pod', 'pair');
    assert.equal(await doneBy('one', 'NodeUnprepareResources'), 1, 'before the pod is gone');
    assert.deepEqual(specs(), []);
    await eventually(
      'its claim is gone',
      async () => !(await read('resourceclaims', '-o', 'name')).includes('pair'),
    );
  });

  test('a pod that wants devices as an extended resource gets them, each container its own', {
    timeout,
  }, async () => {
    const [prepared, unprepared] = [
      await doneBy('one', 'NodePrepareResources'),
      await doneBy('one', 'NodeUnprepareResources'),
    ];
    await cluster.apply(wanting('plain'));
    await ready('plain');
    const seen = [await shell('plain', 'ls /dev/dra'), await shell('plain', 'ls /dev/dra', 'c1')];
    assert.deepEqual(
      seen.map((listed) => /^d\d\n$/.test(listed)),
      [true, true],
      seen.join(),
    );
    assert.notEqual(seen[0], seen[1]);
    assert.equal(await doneBy('one', 'NodePrepareResources'), prepared + 1);
    assert.match(await read('resourceclaims', '-o', 'name'), /\/plain-extended-resources-/);
    await cluster.kubectl('delete', 'pod', 'plain');
    assert.equal(await doneBy('one', 'NodeUnprepareResources'), unprepared + 1);
    await eventually(
      'its claim is gone',
      async () => !(await read('resourceclaims', '-o', 'name')).includes('plain'),
    );
  });

  test('a claim that two pods share is given back with the second', { timeout }, async () => {
    const before = await doneBy('one', 'NodePrepareResources');
    await cluster.apply(`${user('s1', shared)}---${user('s2', shared)}`);
    await ready('s1');
    await ready('s2');
    const device = await shell('s1', 'ls /dev/dra');
    assert.equal(await shell('s2', 'ls /dev/dra'), device);
    assert.equal(await doneBy('one', 'NodePrepareResources'), before + 1);
    await cluster.kubectl('delete', 'pod', 's1');
    assert.equal(specs().length, 1);
    assert.equal(await shell('s2', 'ls /dev/dra'), device);
  });

  test('the health of a device is in the status of the containers that have it', { timeout }, async () => {
    const status = async () =>
      JSON.parse(
        await read('pod', 's2', '-o', 'jsonpath={.status.containerStatuses[0].allocatedResourcesStatus}'),
      ) as {
        name: string;
        resources: { health: string; message?: string; resourceID: string }[];
      }[];
    const [first] = await eventually('its health is reported', async () => {
      const reported = await status();
      return reported[0]?.resources[0]?.health === 'Healthy' && reported;
    });
    assert.equal(first!.name, 'claim:gpu');
    assert.match(first!.resources[0]!.resourceID, new RegExp(`^${driver}/claim=.*-first$`));
    writeFileSync(driverFile('health'), 'Unhealthy too hot');
    const [second] = await eventually('its health is reported', async () => {
      const reported = await status();
      return reported[0]?.resources[0]?.health === 'Unhealthy' && reported;
    });
    assert.equal(second!.resources[0]!.message, 'too hot');
    rmSync(driverFile('health'));
  });

  test('another instance of the driver takes over, in the older version of the service', {
    timeout,
  }, async () => {
    await cluster.apply(driverPod('two', 'v1beta1.DRAPlugin'));
    await registered('two');
    await cluster.kubectl('delete', 'pod', 'driver-one');
    await cluster.kubectl('delete', 'pod', 's2');
    assert.equal(await doneBy('two', 'NodeUnprepareResources'), 1);
    assert.deepEqual(specs(), []);
  });

  test('an agent that is killed while a claim is made ready goes on with it', { timeout }, async () => {
    writeFileSync(driverFile('hold'), '');
    await cluster.apply(user('mid', ofTemplate('one')));
    await eventually('the driver is asked', async () =>
      (await lines('two')).some((line) => line.begins && line.method === 'NodePrepareResources'),
    );
    process.kill(cluster.pidOf('wherry/agent'), 'SIGKILL');
    rmSync(driverFile('hold'));
    await cluster.up();
    await ready('mid');
    assert.match(await shell('mid', 'env'), /^DEVICE_FIRST=d\d$/m);
    await eventually('what the driver offers is there again', hasSlice);
  });

  test('a container starts again with its devices while the driver is away', { timeout }, async () => {
    await cluster.kubectl('delete', 'pod', 'driver-two');
    await shell('mid', 'touch /end');
    const restarts = ['pod', 'mid', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}'];
    await eventually('it has ended and begun again', async () => (await read(...restarts)) === '1');
    await ready('mid');
    assert.match(await shell('mid', 'env'), /^DEVICE_FIRST=d\d$/m);
  });

  test('a pod that waits for its driver says so', { timeout }, async () => {
    // What the driver has offered counts for half a minute more: the scheduler sends the pod to the node.
    await cluster.apply(driverPod('three'));
    await registered('three');
    await eventually('the driver offers something', hasSlice);
    await cluster.kubectl('delete', 'pod', 'driver-three');
    await cluster.apply(user('late', ofTemplate('one')));
    const refusal = `Failed to prepare dynamic resources: prepare dynamic resources: DRA driver ${driver} is not registered`;
    await eventually('it says so', async () =>
      (await read('events', '--field-selector', 'involvedObject.name=late')).includes(refusal),
    );
    assert.match(await read('events'), /Warning +FailedPrepareDynamicResources/);
    await eventually('nothing is offered any more', async () => !(await hasSlice()));
  });

  test('a pod is not gone before its driver knows', { timeout }, async () => {
    await cluster.kubectl('delete', 'pod', 'mid', '--wait=false');
    const failure = `unprepare dynamic resources: DRA driver ${driver} is not registered`;
    await eventually('its driver is missed', async () =>
      (await cluster.wherry('logs', 'agent')).includes(failure),
    );
    assert.match(await read('pod', 'mid', '-o', 'jsonpath={.metadata.deletionTimestamp}'), /Z$/);
    assert.equal(specs().length, 1);
    await cluster.apply(driverPod('four'));
    await registered('four');
    await ready('late');
    await eventually('it is gone', async () => !(await read('pods', '-o', 'name')).includes('pod/mid'));
    assert.equal(specs().length, 1);
  });

  test('devices of a pod removed by force are given back once their driver is there', {
    timeout,
  }, async () => {
    await cluster.kubectl('delete', 'pod', 'driver-four');
    process.kill(cluster.pidOf('wherry/agent'), 'SIGSTOP');
    await cluster.kubectl('delete', 'pod', 'late', '--force', '--grace-period=0');
    process.kill(cluster.pidOf('wherry/agent'), 'SIGKILL');
    await cluster.up();
    assert.equal(specs().length, 1);
    await cluster.apply(driverPod('five'));
    await registered('five');
    await eventually('it is given back', async () => specs().length === 0);
  });
});
