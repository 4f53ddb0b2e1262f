import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeWebImage } from './images.ts';
import { oldKubectl } from './kubectls.ts';
import { eventually, expectSuccess, TestCluster } from './test-cluster.ts';

const testTimeoutMs = 60_000;

suite('the first workloads of well-known tutorials, with the commands that they print', () => {
  const cluster = new TestCluster();
  const kubectl = (...args: string[]) => cluster.kubectl(...args);
  const create = (manifest: string, ...args: string[]) =>
    expectSuccess(cluster.tryKubectl(['create', '-f', '-', ...args], { input: manifest }), 'kubectl create');

  before(async () => {
    await cluster.up();
    const nginx = ['nginx:1.7.9', 'nginx:1.9.1', 'nginx:1.14.2', 'nginx:1.19.2', 'nginx:latest'];
    const images = [
      { names: nginx.map((name) => `docker.io/library/${name}`), port: 80, script: 'echo Welcome to nginx!' },
      {
        names: ['docker.io/taodaling/kubia:latest', 'docker.io/luksa/kubia:latest'],
        port: 8080,
        script: `echo "You've hit $(hostname)"`,
      },
      ...['v1', 'v2'].map((version) => ({
        names: [`docker.io/ikubernetes/myapp:${version}`],
        port: 80,
        script: `echo "Hello MyApp | Version: ${version} | <a href="hostname.html">Pod Name</a>"`,
      })),
    ];
    const archives = images.map((_, index) => join(cluster.home, `tutorial-${index}.tar`));
    for (const [index, image] of images.entries()) await writeWebImage(archives[index]!, image);
    await cluster.wherry('image', 'load', ...archives);
  });
  after(() => cluster.delete());

  test('nginx: a Deployment is created, edited by apply, rolled out and deleted', {
    timeout: testTimeoutMs,
  }, async () => {
    const manifest = (image: string, version: string) => `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx-deployment-demo
  namespace: demo
  labels: {app: nginx}
spec:
  replicas: 3
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx, version: ${version}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: nginx, image: '${image}', ports: [{containerPort: 80}]}
`;
    await kubectl('create', 'ns', 'demo');
    assert.equal(
      await create(manifest('nginx:1.14.2', 'v1')),
      'deployment.apps/nginx-deployment-demo created\n',
    );
    await eventually('three pods run', async () =>
      /nginx-deployment-demo-\w+ +3 +3 +3/.test(await kubectl('get', 'rs', '-n', 'demo')),
    );
    const applied = await cluster.tryKubectl(['apply', '-f', '-'], { input: manifest('nginx:1.19.2', 'v2') });
    assert.match(applied.stderr, /missing the kubectl.kubernetes.io\/last-applied-configuration annotation/);
    assert.equal(applied.stdout, 'deployment.apps/nginx-deployment-demo configured\n');
    await kubectl('rollout', 'status', 'deployment/nginx-deployment-demo', '-n', 'demo', '--timeout=50s');
    await eventually('only the new ones are left', async () => {
      const pods = await kubectl(
        'get',
        'pod',
        '-n',
        'demo',
        '-l',
        'app=nginx',
        '-o',
        'jsonpath={.items[*].metadata.labels.version}',
      );
      return pods === 'v2 v2 v2';
    });
    assert.match(await kubectl('delete', 'deploy', 'nginx-deployment-demo', '-n', 'demo'), /deleted/);
  });

  test('kubia: run, expose as a load balancer that answers this machine, scale', {
    timeout: testTimeoutMs,
  }, async () => {
    // The book's `kubectl run --generator=run/v1` made this controller; kubectl has lost that since.
    await create(`
apiVersion: v1
kind: ReplicationController
metadata: {name: kubia}
spec:
  replicas: 1
  selector: {app: kubia}
  template:
    metadata: {labels: {app: kubia}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {image: taodaling/kubia, name: kubia, ports: [{containerPort: 8080}]}
`);
    const exposed = await kubectl(
      'expose',
      'rc',
      'kubia',
      '--type=LoadBalancer',
      '--name',
      'kubia-http',
      '--port=8080',
    );
    assert.equal(exposed, 'service/kubia-http exposed\n');
    const address = await eventually('the service has an address', async () =>
      kubectl('get', 'svc', 'kubia-http', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'),
    );
    await kubectl('scale', 'rc', 'kubia', '--replicas=3');
    await eventually('three are ready', async () => /kubia +3 +3 +3/.test(await kubectl('get', 'rc')));
    const answers = new Set<string>();
    await eventually('all three have answered', async () => {
      const answer = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(5000) });
      answers.add((await answer.text()).trim());
      return answers.size === 3;
    });
    for (const answer of answers) assert.match(answer, /^You've hit kubia-\w{5}$/);
    assert.match(await cluster.wherry('service', 'kubia-http'), new RegExp(`http://${address}:8080`));
    await kubectl('delete', 'rc', 'kubia');
    await kubectl('delete', 'svc', 'kubia-http');
  });

  test('myapp: a ReplicaSet and a Deployment, as kubectl 1.20 works with them', {
    timeout: testTimeoutMs,
  }, async () => {
    const program = await oldKubectl();
    const old = async (args: string[], input?: string) => {
      const options = { ...(program && { kubectl: program }), ...(input !== undefined && { input }) };
      return await expectSuccess(cluster.tryKubectl(args, options), `kubectl ${args.join(' ')}`);
    };
    const replicaSet = (version: string) => `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: myapp, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: myapp, release: canary}}
  template:
    metadata: {name: myapp-pod, labels: {app: myapp, release: canary}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: myapp-containers
        image: ikubernetes/myapp:${version}
        imagePullPolicy: IfNotPresent
        ports: [{name: http, containerPort: 80}]
`;
    assert.equal(await old(['apply', '-f', '-'], replicaSet('v1')), 'replicaset.apps/myapp created\n');
    await eventually('two are ready', async () => /myapp +2 +2 +2/.test(await old(['get', 'rs'])));
    assert.equal(await old(['apply', '-f', '-'], replicaSet('v2')), 'replicaset.apps/myapp configured\n');
    const images = [
      'get',
      'pods',
      '-l',
      'app=myapp',
      '-o',
      'custom-columns=Image:spec.containers[0].image',
      '--no-headers',
    ];
    assert.equal(await old(images), 'ikubernetes/myapp:v1\nikubernetes/myapp:v1\n');
    await old(['delete', 'pods', '-l', 'app=myapp']);
    await eventually(
      'new pods have the new image',
      async () => (await old(images)) === 'ikubernetes/myapp:v2\nikubernetes/myapp:v2\n',
    );
    await old(['scale', 'replicasets', 'myapp', '--replicas=5']);
    await eventually('five are ready', async () => /myapp +5 +5 +5/.test(await old(['get', 'rs'])));
    await old(['delete', 'replicasets', 'myapp', program ? '--cascade=false' : '--cascade=orphan']);
    assert.equal((await old(['get', 'pods', '-l', 'app=myapp', '-o', 'name'])).trim().split('\n').length, 5);
    await old(['delete', 'pods', '-l', 'app=myapp', '--wait=false']);
  });
});
