/** The tutorial "StatefulSet", replayed. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually, TestCluster } from '../test-cluster.ts';
import { loadTutorialImages } from './images.ts';
import { assertPrints, Learner } from './transcript.ts';

suite('stateful', () => {
  const cluster = new TestCluster();
  const learner = new Learner(cluster, 'demo');
  const run = learner.run.bind(learner);
  before(async () => {
    await cluster.up();
    await loadTutorialImages(cluster, ['busybox', 'nginx']);
    await run('create ns demo');
  });
  after(() => cluster.delete());

  test('pods come one after the other, each with its name, claim and address', async () => {
    assertPrints(await learner.create(web), [
      'service/nginx-demo created',
      'statefulset.apps/web-demo created',
    ]);
    await learner.until('get sts', ['NAME READY AGE', 'web-demo 2/2 AGE']);
    const seen = await learner.watching(
      'get pod -w -l app=nginx',
      () => run('scale sts web-demo --replicas=4'),
      (lines) => lines.some((line) => line.startsWith('web-demo-3 1/1 Running')),
    );
    const states = seen.slice(3).filter((line, at, all) => line !== all[at - 1]);
    assert.deepEqual(
      states
        .map((line) => line.split(' ').slice(0, 3).join(' '))
        .filter((line, at, all) => line !== all[at - 1]),
      [2, 3].flatMap((at) => [
        `web-demo-${at} 0/1 Pending`,
        `web-demo-${at} 0/1 ContainerCreating`,
        `web-demo-${at} 1/1 Running`,
      ]),
    );
    const events = await run('get events');
    assert.match(
      events,
      /SuccessfulCreate +statefulset\/web-demo +create Pod web-demo-3 in StatefulSet web-demo successful/,
    );
    assert.match(events, /Scheduled +pod\/web-demo-2 +Successfully assigned demo\/web-demo-2 to wherry/);
    await run('scale sts web-demo --replicas=2');
    await learner.until('get sts', ['NAME READY AGE', 'web-demo 2/2 AGE']);
    await learner.untilMatch('get events', /SuccessfulDelete +statefulset\/web-demo +delete Pod web-demo-2/);
    for (const at of [0, 1]) {
      assert.equal(await run(`exec web-demo-${at} -- hostname`), `web-demo-${at}\n`);
      await run(`exec web-demo-${at} -- sh -c 'echo hello $(hostname) > /usr/share/nginx/html/index.html'`);
    }
  });

  test('a recreated pod has its old name and data, and a new address behind the name', async () => {
    await run('delete pod -l app=nginx --now');
    await learner.until('get sts', ['NAME READY AGE', 'web-demo 2/2 AGE']);
    const page = () =>
      run('exec web-demo-0 -- wget -qO- http://web-demo-1.nginx-demo.demo.svc.cluster.local');
    assert.equal(await eventually('the page of the other', page), 'hello web-demo-1\n');
    const ip = await run('get pod web-demo-1 -o jsonpath={.status.podIP}');
    const answer = await run('exec web-demo-0 -- nslookup web-demo-1.nginx-demo.demo.svc.cluster.local');
    assert.ok(answer.includes('10.96.0.10') && answer.includes(`Address: ${ip}\n`), answer);
    await run('delete -n demo sts web-demo');
    assert.match(await run('get pvc'), /www-web-demo-0 +Bound[\s\S]*www-web-demo-1 +Bound/);
  });
});

const web = `
apiVersion: v1
kind: Service
metadata: {name: nginx-demo, labels: {app: nginx}}
spec:
  clusterIP: None
  ports: [{port: 80, name: web}]
  selector: {app: nginx}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web-demo}
spec:
  serviceName: nginx-demo
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.19.2-alpine
        ports: [{containerPort: 80, name: web}]
        volumeMounts: [{name: www, mountPath: /usr/share/nginx/html}]
  volumeClaimTemplates:
  - metadata: {name: www}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
`;
