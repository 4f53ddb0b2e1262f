/** A CSI driver that runs as a pod, as people bring them: claims and inline volumes through its sockets, there and back. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { eventually, root, TestCluster } from './test-cluster.ts';

const image = 'test.local/busybox:1';
const driver = 'csi.test.example';
const uniqueName = `kubernetes.io/csi/${driver}^disk-1`;
const timeout = 120_000;

const setUp = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: ${driver}}
spec:
  podInfoOnMount: true
  fsGroupPolicy: File
  volumeLifecycleModes: [Persistent, Ephemeral]
  tokenRequests: [{audience: vault}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: grows}
provisioner: ${driver}
allowVolumeExpansion: true
---
apiVersion: v1
kind: Secret
metadata: {name: stage}
stringData: {key: to the volume}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec:
  storageClassName: grows
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: default, name: data}
  csi:
    driver: ${driver}
    volumeHandle: disk-1
    fsType: ext4
    volumeAttributes: {colour: blue}
    nodeStageSecretRef: {namespace: default, name: stage}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: grows
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
`;

/** In the node's files, as a privileged pod of a real driver is; mounts that it makes reach the node. */
const driverPod = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: driver}
spec:
  selector: {matchLabels: {app: driver}}
  template:
    metadata: {labels: {app: driver}}
    spec:
      hostPID: true
      hostNetwork: true
      terminationGracePeriodSeconds: 5
      containers:
      - name: driver
        image: ${image}
        command: [chroot, /host, ${process.execPath}, ${join(root, 'test/e2e/csi-driver.ts')}, ${driver}, wherry]
        securityContext: {privileged: true}
        volumeMounts: [{name: host, mountPath: /host, mountPropagation: Bidirectional}]
      volumes: [{name: host, hostPath: {path: /}}]
`;

const user = (name: string, volumes: string, mounts: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {fsGroup: 4321}
  containers:
  - name: c
    image: ${image}
    command: [sh, -c, 'sleep 1000']
    volumeMounts: [${mounts}]
  volumes: [${volumes}]
`;
const claimed = '{name: data, persistentVolumeClaim: {claimName: data}}';
const inline = `{name: own, csi: {driver: ${driver}, volumeAttributes: {shape: round}}}`;

suite('a CSI driver', () => {
  const cluster = new TestCluster();
  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
  });
  after(() => cluster.delete());

  const read = (...args: string[]) => cluster.kubectl('get', ...args);
  const shell = (pod: string, script: string) => cluster.kubectl('exec', pod, '--', 'sh', '-c', script);
  const ready = (pod: string) =>
    cluster.kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s');

  /** What the driver was asked, oldest first. */
  async function calls(): Promise<{ method: string; [field: string]: unknown }[]> {
    const text = await cluster.kubectl('logs', '-l', 'app=driver', '--tail=-1');
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { method: string });
  }
  const countOf = async (method: string) => (await calls()).filter((each) => each.method === method).length;

  interface Attachment {
    metadata: { name: string };
    status: object;
  }
  const attachments = async () =>
    (JSON.parse(await read('volumeattachments', '-o', 'json')) as { items: Attachment[] }).items;

  /** What the driver's attacher does, which is no part of a node. */
  async function setAttached(attachment: Attachment, status: object): Promise<void> {
    const path = `/apis/storage.k8s.io/v1/volumeattachments/${attachment.metadata.name}/status`;
    const input = JSON.stringify({ ...attachment, status });
    const { code, stderr } = await cluster.tryKubectl(['replace', '--raw', path, '-f', '-'], { input });
    assert.equal(code, 0, stderr);
  }

  test('registers: the node reports it, its topology and how many volumes it supports', {
    timeout,
  }, async () => {
    await eventually('the node has an object for its drivers', async () =>
      /^wherry +0 /.test(await read('csinode', 'wherry', '--no-headers')),
    );
    await cluster.apply(setUp);
    await cluster.apply(driverPod);
    await eventually('the driver is registered', async () =>
      (await read('csinode', 'wherry', '-o', 'jsonpath={.spec.drivers[*].name}')).includes(driver),
    );
    const path = '{.nodeID} {.allocatable.count} {.topologyKeys[0]}';
    const shown = await read('csinode', 'wherry', '-o', `jsonpath={range .spec.drivers[*]}${path}{end}`);
    assert.equal(shown, 'id-of-wherry 7 topology.csi.test/rack');
    const label = 'jsonpath={.metadata.labels.topology\\.csi\\.test/rack}';
    await eventually(
      'the node has its label',
      async () => (await read('node', 'wherry', '-o', label)) === 'r1',
    );
  });

  test('a claim is attached, staged with its secret, published, and given to the group', {
    timeout,
  }, async () => {
    await cluster.apply(
      user('one', `${claimed}, ${inline}`, '{name: data, mountPath: /data}, {name: own, mountPath: /own}'),
    );
    await eventually('somebody asks for it to be attached', async () => (await attachments()).length === 1);
    const inUse = () => read('node', 'wherry', '-o', 'jsonpath={.status.volumesInUse[*]}');
    await eventually('the node says that it uses it', async () => (await inUse()) === uniqueName);
    const [attachment] = await attachments();
    await setAttached(attachment!, { attached: false, attachError: { message: 'the disk is on fire' } });
    await eventually('the pod tells of it', async () =>
      (await read('events')).includes('the disk is on fire'),
    );
    assert.equal(await countOf('NodeStageVolume'), 0);
    await setAttached((await attachments())[0]!, { attached: true, attachmentMetadata: { device: 'd1' } });
    await ready('one');
    const [stage] = (await calls()).filter(({ method }) => method === 'NodeStageVolume');
    assert.deepEqual(
      [stage?.volumeId, stage?.publishContext, stage?.volumeContext, stage?.volumeCapability],
      [
        'disk-1',
        { device: 'd1' },
        { colour: 'blue' },
        {
          mount: { fsType: 'ext4', mountFlags: [], volumeMountGroup: '' },
          accessMode: { mode: 'SINGLE_NODE_WRITER' },
        },
      ],
    );
    assert.match(await shell('one', 'echo kept > /data/file; stat -c %g /data /data/file'), /^4321\n4321\n$/);
    assert.match(
      await read('events'),
      /SuccessfulAttachVolume .*AttachVolume.Attach succeeded for volume "pv-1"/,
    );
  });

  test("an inline volume is the pod's alone: the driver learns whose, and gets a token", {
    timeout,
  }, async () => {
    const context = JSON.parse(await shell('one', 'cat /own/context.json')) as Record<string, string>;
    const about = (name: string) => context[`csi.storage.k8s.io/${name}`];
    assert.deepEqual(
      [
        context.shape,
        about('pod.name'),
        about('pod.namespace'),
        about('serviceAccount.name'),
        about('ephemeral'),
      ],
      ['round', 'one', 'default', 'default', 'true'],
    );
    const tokens = JSON.parse(about('serviceAccount.tokens')!) as Record<string, { token: string }>;
    const claims = JSON.parse(Buffer.from(tokens.vault!.token.split('.')[1]!, 'base64url').toString()) as {
      aud: string[];
    };
    assert.deepEqual(claims.aud, ['vault']);
    await cluster.apply(
      user('strange', '{name: own, csi: {driver: none.example}}', '{name: own, mountPath: /own}'),
    );
    const refusal = 'driver name none.example not found in the list of registered CSI drivers';
    await eventually('a driver that is not there is named', async () =>
      (await read('events')).includes(refusal),
    );
    await cluster.kubectl('delete', 'pod', 'strange');
  });

  test('a second pod shares what is staged, and an agent that was killed goes on with both', {
    timeout,
  }, async () => {
    await cluster.apply(user('two', claimed, '{name: data, mountPath: /data, readOnly: true}'));
    await ready('two');
    assert.equal(await shell('two', 'cat /data/file'), 'kept\n');
    assert.equal(await countOf('NodePublishVolume'), 3);
    process.kill(cluster.pidOf('wherry/agent'), 'SIGKILL');
    await cluster.up();
    const drivers = () => read('csinode', 'wherry', '-o', 'jsonpath={.spec.drivers[*].name}');
    await eventually('the driver is registered', async () => (await drivers()) === driver);
    await cluster.kubectl('delete', 'pod', 'two');
    // The node answers for logs a moment after it has begun.
    await eventually('nothing is unstaged', async () => (await countOf('NodeUnstageVolume')) === 0);
    assert.equal(await shell('one', 'cat /data/file'), 'kept\n');
  });

  /** Of the driver's volumes, as the node's metrics have them. */
  const timedOperations = async () => {
    const text = await cluster.kubectl('get', '--raw', '/api/v1/nodes/wherry/proxy/metrics');
    const series =
      /^storage_operation_duration_seconds_count\{.*operation_name="(\w+)",status="([\w-]+)",volume_plugin="kubernetes\.io\/csi:csi\.test\.example"\}/gm;
    return [...text.matchAll(series)].map(([, name, status]) => `${name} ${status}`).sort();
  };

  test('a claim that grows has its file system grown under the pod', { timeout }, async () => {
    const larger = (path: string) => ['--type=merge', '-p', `{"spec":{${path}:{"storage":"2Gi"}}}`];
    await cluster.kubectl(
      'patch',
      'pvc',
      'data',
      '--type=merge',
      '-p',
      '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}',
    );
    await cluster.kubectl('patch', 'pv', 'pv-1', ...larger('"capacity"'));
    // What the driver's resizer does once the volume itself is larger.
    await cluster.kubectl('annotate', 'pvc', 'data', 'resized=yes');
    const capacity = () => read('pvc', 'data', '-o', 'jsonpath={.status.capacity.storage}');
    await eventually('the claim has what it asked for', async () => (await capacity()) === '2Gi');
    const [expand] = (await calls()).filter(({ method }) => method === 'NodeExpandVolume');
    assert.deepEqual(expand?.capacityRange, { requiredBytes: 2 * 1024 ** 3, limitBytes: 0 });
    await eventually('the claim tells it', async () =>
      /MountVolume.NodeExpandVolume succeeded for volume "pv-1"/.test(
        await cluster.kubectl('describe', 'pvc', 'data'),
      ),
    );
    assert.ok((await timedOperations()).includes('volume_fs_resize success'));
  });

  test('the volume of the last pod is unpublished, unstaged and detached, and nothing stays mounted', {
    timeout,
  }, async () => {
    await cluster.kubectl('delete', 'pod', 'one');
    await eventually('it is unstaged', async () => (await countOf('NodeUnstageVolume')) === 1);
    assert.equal(await countOf('NodeUnpublishVolume'), 3);
    await eventually('it is detached', async () => (await attachments()).length === 0);
    assert.deepEqual(
      (await timedOperations()).filter((line) => line.endsWith('success')),
      ['volume_fs_resize success', 'volume_mount success', 'volume_unmount success'],
    );
    const status = await read(
      'node',
      'wherry',
      '-o',
      'jsonpath={.status.volumesInUse}{.status.volumesAttached}',
    );
    assert.equal(status.replace('[]', ''), '');
    const holder = `/proc/${cluster.pidOf('wherry/holder')}`;
    assert.doesNotMatch(readFileSync(`${holder}/mountinfo`, 'utf8'), /kubernetes.io~csi|globalmount/);
    const staged = join(holder, 'root/var/lib/kubelet/plugins/kubernetes.io/csi', driver);
    assert.deepEqual(existsSync(staged) ? readdirSync(staged) : [], []);
    await cluster.kubectl('delete', 'daemonset', 'driver');
    const drivers = () => read('csinode', 'wherry', '-o', 'jsonpath={.spec.drivers}');
    await eventually('the driver is gone', async () => ['', '[]', 'null'].includes(await drivers()));
  });
});
