import assert from 'node:assert/strict';
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

  for (const victim of ['server', 'wherry/agent', 'wherry/containerd']) {
    test(`after kill -9 of ${victim}, up adopts the containers that still run`, async () => {
      const before = await containers();
      process.kill(cluster.pidOf(victim), 'SIGKILL');
      await cluster.up();
      await eventually('the deployment is available', allAvailable);
      assert.equal(await containers(), before);
      const name = `after-${victim.replace('/', '-')}`;
      await cluster.kubectl('create', 'configmap', name);
      await cluster.kubectl('patch', 'configmap', 'settings', '-p', `{"data":{"victim":"${victim}"}}`);
      await eventually('the volumes of adopted pods follow their ConfigMap', async () => {
        const seen = await cluster.kubectl('exec', 'deployment/web', '--', 'cat', '/settings/victim');
        return seen === victim;
      });
    });
  }

  test('after kill -9 of the node itself, up brings its pods back', async () => {
    process.kill(cluster.pidOf('wherry/holder'), 'SIGKILL');
    await cluster.up();
    await eventually('the pods run again', async () => {
      const pods = await cluster.kubectl('get', 'pods', '-l', 'app=web');
      return (pods.match(/1\/1 +Running/g) ?? []).length === 2;
    });
  });

  test('after kill -9 of everything, up brings back the same objects', async () => {
    await cluster.kubectl('create', 'configmap', 'last-words');
    for (const victim of ['wherry/containerd', 'wherry/agent', 'server', 'wherry/holder'])
      process.kill(cluster.pidOf(victim), 'SIGKILL');
    await cluster.up();
    const names = await cluster.kubectl('get', 'configmaps', '-o', 'name');
    for (const name of ['after-server', 'after-wherry-agent', 'after-wherry-containerd', 'last-words'])
      assert.match(names, new RegExp(`configmap/${name}$`, 'm'));
    await eventually('the deployment is available', allAvailable);
  });

  test('a cluster that was killed leaves nothing once it is deleted', async () => {
    const { id, folder } = cluster;
    for (const victim of ['server', 'wherry/holder']) process.kill(cluster.pidOf(victim), 'SIGKILL');
    await cluster.wherry('delete');
    assert.deepEqual(leftovers(id, folder), []);
  });
});
