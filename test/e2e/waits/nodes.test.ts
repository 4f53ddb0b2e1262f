import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeWebImage } from '../images.ts';
import { eventually, leftovers, TestCluster } from '../test-cluster.ts';

const testTimeoutMs = 120_000;

suite('several nodes on one machine', () => {
  const cluster = new TestCluster();
  const kubectl = (...args: string[]) => cluster.kubectl(...args);

  before(async () => {
    await cluster.up('--nodes', '2');
    const archive = join(cluster.home, 'web.tar');
    await writeWebImage(archive, { names: ['docker.io/library/web:latest'], port: 8080, script: 'hostname' });
    await cluster.wherry('image', 'load', archive);
  });
  after(() => cluster.delete());

  const pod = (name: string, node: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]
`;

  test('both are Ready, have addresses and pod ranges of their own', { timeout: testTimeoutMs }, async () => {
    const rows = (
      await kubectl(
        'get',
        'nodes',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[0].address}{"\\n"}{end}',
      )
    )
      .trim()
      .split('\n');
    assert.deepEqual(
      rows.map((row) => row.split(' ')[0]),
      ['wherry', 'wherry-2'],
    );
    assert.equal(new Set(rows.flatMap((row) => row.split(' ').slice(1))).size, 4);
  });

  test('a node that is added pulls what was loaded before it came, and its pods reach those of others', {
    timeout: testTimeoutMs,
  }, async () => {
    assert.match(await cluster.wherry('node', 'add', 'third'), /node third is there/);
    await cluster.apply(['wherry', 'wherry-2', 'third'].map((node) => pod(`on-${node}`, node)).join('---'));
    await kubectl('wait', '--for=condition=Ready', 'pod', '-l', 'app=web', '--timeout=60s');
    for (const node of ['wherry', 'wherry-2']) {
      const address = await kubectl('get', 'pod', `on-${node}`, '-o', 'jsonpath={.status.podIP}');
      assert.equal(
        await kubectl('exec', 'on-third', '--', 'wget', '-q', '-O', '-', `http://${address}:8080`),
        `on-${node}\n`,
      );
    }
  });

  test('a Service reaches the pods of all nodes', { timeout: testTimeoutMs }, async () => {
    await kubectl('create', 'service', 'clusterip', 'web', '--tcp=80:8080');
    const answers = new Set<string>();
    await eventually('all three have answered', async () => {
      answers.add(await kubectl('exec', 'on-wherry', '--', 'wget', '-q', '-O', '-', 'http://web'));
      return answers.size === 3;
    });
  });

  test('a node that is silenced is NotReady, its pods too, a pet is replaced by force; up leaves it alone, and start brings all back', {
    timeout: testTimeoutMs,
  }, async () => {
    const ready = async () =>
      kubectl('get', 'node', 'wherry-2', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}');
    const availableOfSpread = (expected: string) =>
      eventually(`${expected} pods available`, async () => {
        const row = await kubectl('get', 'deployment', 'spread', '--no-headers');
        return row.split(/ +/)[3] === expected;
      });
    await cluster.apply(spread);
    await cluster.apply(pet);
    await availableOfSpread('3');
    assert.equal(await nodeOfPet(), 'wherry-2');
    await cluster.wherry('node', 'stop', 'wherry-2');
    await eventually('the cluster has noticed', async () => (await ready()) === 'Unknown', 90_000);
    assert.match(await kubectl('get', 'nodes'), /wherry-2 +NotReady/);
    await availableOfSpread('2');
    await replacePetByForce();
    await cluster.up();
    assert.equal(await ready(), 'Unknown');
    assert.match(await cluster.wherry('status'), /wherry-2: stopped by hand/);
    await cluster.wherry('node', 'start', 'wherry-2');
    assert.equal(await ready(), 'True');
    await kubectl('wait', '--for=condition=Ready', 'pod/on-wherry-2', '--timeout=60s');
    await availableOfSpread('3');
  });

  /** Where the pod of the StatefulSet runs, once it does. */
  async function nodeOfPet(): Promise<string> {
    return await eventually('the pet runs', async () => {
      const path = '{.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}';
      const [node, isReady] = (await kubectl('get', 'pod', 'pet-0', '-o', `jsonpath=${path}`)).split(' ');
      return isReady === 'True' && node;
    });
  }

  /** Nobody but a person knows whether a pod still runs on a node that is not heard from: there must not be two of it. */
  async function replacePetByForce(): Promise<void> {
    const isTerminating = async () => /^pet-0 +1\/1 +Terminating/m.test(await kubectl('get', 'pods'));
    const uid = () => kubectl('get', 'pod', 'pet-0', '-o', 'jsonpath={.metadata.uid}');
    await eventually('the pet is to leave its node', isTerminating);
    const lost = await uid();
    await kubectl('delete', 'pod', 'pet-0', '--wait=false');
    assert.ok(await isTerminating());
    assert.equal(await uid(), lost);
    const forced = await cluster.tryKubectl(['delete', 'pod', 'pet-0', '--force', '--grace-period=0']);
    assert.match(forced.stderr, /Immediate deletion does not wait for confirmation/);
    assert.match(forced.stdout, /^pod "pet-0" force deleted/);
    assert.notEqual(await nodeOfPet(), 'wherry-2');
    assert.notEqual(await uid(), lost);
  }

  test('a node that is deleted is gone, with its object, and down leaves nothing of the others', {
    timeout: testTimeoutMs,
  }, async () => {
    await cluster.wherry('node', 'delete', 'third');
    assert.equal((await cluster.tryKubectl(['get', 'node', 'third'])).code, 1);
    assert.equal((await cluster.wherry('node', 'list')).trim(), 'wherry\nwherry-2');
    const { id, folder } = cluster;
    await cluster.wherry('down');
    assert.deepEqual(leftovers(id, folder), []);
  });
});

/** One pod on each node, as the tutorial "high availability" has it. */
const spread = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 3
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: spread}}
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: web}]
`;

/** One pod, on wherry-2 as long as that is there, which does not wait there for its return. */
const pet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pet}
spec:
  serviceName: pet
  selector: {matchLabels: {app: pet}}
  template:
    metadata: {labels: {app: pet}}
    spec:
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [wherry-2]}]}
      tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 0}]
      containers: [{name: web, image: web}]
`;
