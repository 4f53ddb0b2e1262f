import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeWebImage } from './images.ts';
import { eventually, leftovers, TestCluster } from './test-cluster.ts';

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: 'test.local/web:1'
        ports: [{containerPort: 8080}]
        volumeMounts: [{name: settings, mountPath: /settings}]
      volumes: [{name: settings, configMap: {name: settings}}]
`;

/** The supervisor first: it would set to work at once. */
const everything = ['supervisor', 'wherry/containerd', 'wherry/agent', 'server', 'wherry/holder'];

suite('what a sudden death of processes leaves intact', () => {
  const cluster = new TestCluster();

  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'web.tar');
    await writeWebImage(archive, { names: ['test.local/web:1'], port: 8080, script: 'hostname' });
    await cluster.wherry('image', 'load', archive);
    await cluster.kubectl('create', 'configmap', 'settings', '--from-literal=victim=none');
    await cluster.apply(deployment);
    await cluster.kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080');
    await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  });
  after(() => cluster.delete());

  /** Which containers run, by pod: the same ids mean that nothing was restarted. */
  async function containers(): Promise<string> {
    const path = '{range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID}{"\\n"}{end}';
    const text = await cluster.kubectl('get', 'pods', '-l', 'app=web', '-o', `jsonpath=${path}`);
    return text.split('\n').sort().join('\n');
  }

  async function allAvailable(): Promise<boolean> {
    const available = await cluster.kubectl(
      'get',
      'deployment',
      'web',
      '-o',
      'jsonpath={.status.availableReplicas}',
    );
    return available === '2';
  }

  /** Kills it, and returns when another stands in its place and all is well. */
  async function killAndWatch(victim: string): Promise<void> {
    const before = cluster.pidOf(victim);
    process.kill(before, 'SIGKILL');
    await eventually(`${victim} is started again`, async () => cluster.pidOf(victim) !== before);
    await eventually('all is well', async () => (await cluster.tryWherry('status')).code === 0);
  }

  for (const victim of ['server', 'wherry/agent', 'wherry/containerd']) {
    test(`after kill -9 of ${victim} it is started again, and adopts the containers that still run`, async () => {
      const before = await containers();
      await killAndWatch(victim);
      await eventually('the deployment is available', allAvailable);
      assert.equal(await containers(), before);
      const name = `after-${victim.replace('/', '-')}`;
      await cluster.kubectl('create', 'configmap', name);
      await cluster.kubectl('patch', 'configmap', 'settings', '-p', `{"data":{"victim":"${victim}"}}`);
      await eventually('the volumes of adopted pods follow their ConfigMap', async () => {
        const seen = await cluster.kubectl('exec', 'deployment/web', '--', 'cat', '/settings/victim');
        return seen === victim;
      });
      const { restarts } = JSON.parse(await cluster.wherry('status', '-o', 'json'));
      assert.equal(restarts[victim], 1);
    });
  }

  test('after kill -9 of the node itself it is recreated, with its pods', async () => {
    await killAndWatch('wherry/holder');
    await eventually('the pods run again', async () => {
      const pods = await cluster.kubectl('get', 'pods', '-l', 'app=web');
      return (pods.match(/1\/1 +Running/g) ?? []).length === 2;
    });
    assert.match(await cluster.wherry('logs', 'supervisor'), /started again process=wherry\/holder/);
  });

  test('after kill -9 of the supervisor there is another, which does its work', async () => {
    await killAndWatch('supervisor');
    await killAndWatch('wherry/agent');
  });

  test('a node that was stopped by hand stays off', async () => {
    await cluster.wherry('node', 'stop', 'wherry');
    // Who starts the one again has looked at the other.
    const before = cluster.pidOf('server');
    process.kill(before, 'SIGKILL');
    await eventually('server is started again', async () => cluster.pidOf('server') !== before);
    await eventually('the API answers', () => cluster.kubectl('get', '--raw', '/readyz'));
    assert.match((await cluster.tryWherry('status')).stdout, /wherry: stopped by hand/);
    assert.throws(() => cluster.pidOf('wherry/holder'), /ENOENT/);
    await cluster.wherry('node', 'start', 'wherry');
  });

  test('after kill -9 of everything, up brings back the same objects', async () => {
    await cluster.kubectl('create', 'configmap', 'last-words');
    for (const victim of everything) process.kill(cluster.pidOf(victim), 'SIGKILL');
    await cluster.up();
    const names = await cluster.kubectl('get', 'configmaps', '-o', 'name');
    for (const name of ['after-server', 'after-wherry-agent', 'after-wherry-containerd', 'last-words'])
      assert.match(names, new RegExp(`configmap/${name}$`, 'm'));
    await eventually('the deployment is available', allAvailable);
  });

  test('a server that ends while up waits for it is started again', async () => {
    const before = cluster.pidOf('server');
    process.kill(before, 'SIGSTOP');
    const up = cluster.up();
    await eventually('up is at work', async () => lstatSync(join(cluster.folder, 'lock')).isSymbolicLink());
    process.kill(before, 'SIGKILL');
    await up;
    assert.notEqual(cluster.pidOf('server'), before);
  });

  test('a stopped cluster stays stopped, and a killed one leaves nothing once it is deleted', async () => {
    await cluster.wherry('down');
    assert.deepEqual(leftovers(cluster.id, cluster.folder), []);
    await cluster.up();
    const { id, folder } = cluster;
    for (const victim of ['supervisor', 'server', 'wherry/holder'])
      process.kill(cluster.pidOf(victim), 'SIGKILL');
    await cluster.wherry('delete');
    assert.deepEqual(leftovers(id, folder), []);
  });
});
