/** The tutorials "getting started" and "pod controllers", replayed: what each step prints there, it prints here. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { TestCluster } from '../test-cluster.ts';
import { loadTutorialImages } from './images.ts';
import { assertPrints, Learner, normalized } from './transcript.ts';

suite('pod controllers', () => {
  const cluster = new TestCluster();
  const { run, attempt, apply, until, untilMatch, watching } = bind(new Learner(cluster));
  before(async () => {
    await cluster.up('--nodes', '2');
    await loadTutorialImages(cluster, ['busybox', 'nginx', 'myappV1', 'myappV2', 'myappV3']);
  });
  after(() => cluster.delete());

  test('a sidecar reads the log that the main container writes', async () => {
    await apply(sidecar);
    await until('get pod simple-webapp', [
      'NAME READY STATUS RESTARTS AGE',
      'simple-webapp 2/2 Running 0 AGE',
    ]);
    await run('exec simple-webapp -c sidecar-container -- wget -qO- http://localhost/');
    assert.match(
      await run('exec simple-webapp -c sidecar-container -- cat /var/log/nginx/access.log'),
      /GET \//,
    );
    await run('delete pod simple-webapp --now');
  });

  test('ReplicaSet: create, edit, upgrade by hand, scale, and delete without its pods', async () => {
    assertPrints(await apply(replicaSet('v1', 2)), ['replicaset.apps/myapp created']);
    await until('get rs', ['NAME DESIRED CURRENT READY AGE', 'myapp 2 2 2 AGE']);
    await run(`patch rs myapp -p '{"spec":{"replicas":4}}'`);
    await until('get rs -o wide', [
      'NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR',
      'myapp 4 4 4 AGE myapp-containers ikubernetes/myapp:v1 app=myapp,release=canary',
    ]);
    assertPrints(await apply(replicaSet('v2', 2)), ['replicaset.apps/myapp configured']);
    await until(`get pods ${images}`, ['Image', 'ikubernetes/myapp:v1', 'ikubernetes/myapp:v1']);
    assert.equal(
      (await run('delete pods -l app=myapp --now')).match(/^pod "myapp-\w{5}" deleted/gm)?.length,
      2,
    );
    await until(`get pods ${images}`, ['Image', 'ikubernetes/myapp:v2', 'ikubernetes/myapp:v2']);
    const unexpected = await attempt('scale replicasets myapp --current-replicas=3 --replicas=5');
    assert.equal(unexpected.stderr, 'error: Expected replicas to be 3, was 2\n');
    assertPrints(await run('scale replicasets myapp --current-replicas=2 --replicas=5'), [
      'replicaset.apps/myapp scaled',
    ]);
    await until('get rs', ['NAME DESIRED CURRENT READY AGE', 'myapp 5 5 5 AGE']);
    await run('scale replicasets myapp --replicas=3');
    await until('get rs', ['NAME DESIRED CURRENT READY AGE', 'myapp 3 3 3 AGE']);
    assertPrints(await run('delete replicasets myapp --cascade=false'), ['replicaset.apps "myapp" deleted']);
    await untilMatch('get pods -l app=myapp', /^(NAME.*\n)(myapp-\w{5} +1\/1 +Running +0 +\w+\n){3}$/);
    await run('delete pods -l app=myapp --now');
  });

  test('Deployment: rolling update as two watches see it', async () => {
    assertPrints(await apply(deployment(2)), ['deployment.apps/deploy-demo created']);
    await until('get deployment', ['NAME READY UP-TO-DATE AVAILABLE AGE', 'deploy-demo 2/2 2 2 AGE']);
    await until('get replicaset', ['NAME DESIRED CURRENT READY AGE', 'deploy-demo-HASH 2 2 2 AGE']);
    const before = await new Learner(cluster).podNames('app=deploy-app');
    const seen = await watching(
      'get deployment deploy-demo -w',
      () => run('set image deployment/deploy-demo myapp=ikubernetes/myapp:v2'),
      (lines) =>
        lines.at(-1) === 'deploy-demo 2/2 2 2 AGE' &&
        lines.some((line) => line.startsWith('deploy-demo 3/2 2 3')),
    );
    const distinct = seen.filter((line, at) => line !== seen[at - 1]);
    for (const line of ['2/2 0 2', '2/2 1 2', '3/2 1 3', '2/2 2 2'])
      assert.ok(distinct.includes(`deploy-demo ${line} AGE`), `${line} in ${distinct.join('; ')}`);
    assert.ok(before.every((name) => /^deploy-demo-[0-9a-z]{8,10}-[a-z0-9]{5}$/.test(name)));
    const sets = normalized(await run('get rs'))
      .slice(1)
      .sort();
    assert.deepEqual(sets, ['deploy-demo-HASH 0 0 0 AGE', 'deploy-demo-HASH 2 2 2 AGE']);
  });

  test('Deployment: scaling by command, by file and by patch', async () => {
    await run('scale deployment deploy-demo --replicas=3');
    assertPrints(await apply(deployment(4)), ['deployment.apps/deploy-demo configured']);
    await until(`get pods ${images}`, ['Image', ...Array(4).fill('ikubernetes/myapp:v1')]);
    const patch = `patch deployment deploy-demo -p`;
    assertPrints(await run(`${patch} '{"spec":{"replicas":5}}'`), ['deployment.apps/deploy-demo patched']);
    await run(`${patch} '{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}'`);
    await until('get deployment', ['NAME READY UP-TO-DATE AVAILABLE AGE', 'deploy-demo 5/5 5 5 AGE']);
  });

  test('Deployment: a canary by pause and resume, then the roll back', async () => {
    await run('set image deployment/deploy-demo myapp=ikubernetes/myapp:v3');
    assertPrints(await run('rollout pause deployment deploy-demo'), ['deployment.apps/deploy-demo paused']);
    // Where kubectl is slow, more than one new pod is there before the pause.
    await untilMatch('get deployment', /^deploy-demo +6\/5 +[1-4] +6 /m);
    const status = await watching(
      'rollout status deployment/deploy-demo',
      async () => {
        const resumed = 'deployment.apps/deploy-demo resumed';
        assertPrints(await run('rollout resume deployment deploy-demo'), [resumed]);
      },
      (lines) => lines.at(-1) === 'deployment "deploy-demo" successfully rolled out',
    );
    const waiting =
      /^Waiting for deployment "deploy-demo" rollout to finish: [1-4] out of 5 new replicas have been updated\.\.\.$/;
    assert.match(status[0]!, waiting);
    const undone = 'deployment.apps/deploy-demo rolled back';
    assertPrints(await run('rollout undo deployment/deploy-demo'), [undone]);
    await run('rollout status deployment/deploy-demo');
    await until(`get pods ${images}`, ['Image', ...Array(5).fill('ikubernetes/myapp:v1')]);
    const history = ['deployment.apps/deploy-demo', 'REVISION CHANGE-CAUSE'];
    const revisions = async () => normalized(await run('rollout history deployment/deploy-demo'));
    assert.deepEqual(await revisions(), [...history, '2 <none>', '4 <none>', '5 <none>']);
    assertPrints(await run('rollout undo deployment/deploy-demo --to-revision=2'), [undone]);
    await until(`get pods ${images}`, ['Image', ...Array(5).fill('ikubernetes/myapp:v2')]);
    assert.deepEqual(await revisions(), [...history, '4 <none>', '5 <none>', '6 <none>']);
    await run('delete deployment deploy-demo');
  });

  test('DaemonSet: one pod on every node, updated one after the other, and rolled back', async () => {
    assertPrints(await apply(daemonSet), ['daemonset.apps/daemset-nginx created']);
    const nodes =
      'get pods -l app=daem-nginx --sort-by=.spec.nodeName -o custom-columns=NODE:spec.nodeName,Image:spec.containers[0].image';
    await until('get ds', [
      'NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE',
      'daemset-nginx 2 2 2 2 2 <none> AGE',
    ]);
    await until(nodes, ['NODE Image', 'wherry nginx:1.12', 'wherry-2 nginx:1.12']);
    await run('set image daemonset/daemset-nginx nginx-pod=nginx:1.14');
    await until(nodes, ['NODE Image', 'wherry nginx:1.14', 'wherry-2 nginx:1.14']);
    const description = await untilMatch('describe daemonset daemset-nginx', /Available Pods: 2/);
    for (const part of [
      'Node-Selector:  <none>',
      'Desired Number of Nodes Scheduled: 2',
      'Pods Status:  2 Running / 0 Waiting',
    ])
      assert.ok(description.includes(part), `${part} in\n${description}`);
    const events = [...description.matchAll(/Normal +(Successful\w+) .*daemonset-controller/g)].map(
      (match) => match[1],
    );
    const [create, remove] = ['SuccessfulCreate', 'SuccessfulDelete'];
    assert.deepEqual(events, [create, create, remove, create, remove, create]);
    const name = 'daemonset.apps/daemset-nginx';
    const history = async () => normalized(await run('rollout history daemonset/daemset-nginx')).slice(2);
    assert.deepEqual(await history(), ['1 <none>', '2 <none>']);
    assertPrints(await run('rollout undo daemonset/daemset-nginx'), [`${name} rolled back`]);
    assert.match(
      await run('rollout status daemonset/daemset-nginx'),
      /^daemon set "daemset-nginx" successfully rolled out\n$/m,
    );
    await until(nodes, ['NODE Image', 'wherry nginx:1.12', 'wherry-2 nginx:1.12']);
    assert.deepEqual(await history(), ['2 <none>', '3 <none>']);
    await run('delete ds daemset-nginx');
  });

  test('StatefulSet: in order up, in reverse order down, updated from the last, by partition', async () => {
    // The tutorial's cluster has no default class: claims that name none are left to the prepared volumes.
    await run('annotate storageclass standard storageclass.kubernetes.io/is-default-class=false --overwrite');
    await apply(volumes);
    assertPrints(await apply(statefulSet), [
      'service/nginx-svc created',
      'statefulset.apps/nginx-statefulset created',
    ]);
    await until('get statefulset', ['NAME READY AGE', 'nginx-statefulset 3/3 AGE']);
    await until('get pv --no-headers', [
      'pv-nfs-001 2Gi RWO,RWX Retain Available <unset> AGE',
      'pv-nfs-002 5Gi RWO Retain Bound default/nginxdata-nginx-statefulset-0 <unset> AGE',
      'pv-nfs-003 5Gi RWO,RWX Retain Bound default/nginxdata-nginx-statefulset-1 <unset> AGE',
      'pv-nfs-004 5Gi RWO,RWX Retain Bound default/nginxdata-nginx-statefulset-2 <unset> AGE',
      'pv-nfs-005 5Gi RWO,RWX Retain Available <unset> AGE',
    ]);
    await until('get pvc --no-headers', [
      'nginxdata-nginx-statefulset-0 Bound pv-nfs-002 5Gi RWO <unset> AGE',
      'nginxdata-nginx-statefulset-1 Bound pv-nfs-003 5Gi RWO,RWX <unset> AGE',
      'nginxdata-nginx-statefulset-2 Bound pv-nfs-004 5Gi RWO,RWX <unset> AGE',
    ]);
    for (const at of [0, 1, 2]) {
      const name = `nginx-statefulset-${at}.nginx-svc.default.svc.cluster.local`;
      const ip = await run(`get pod nginx-statefulset-${at} -o jsonpath={.status.podIP}`);
      assert.match(
        await run(`exec nginx-statefulset-0 -- nslookup ${name}`),
        new RegExp(`Address: ${ip}\\n`),
      );
    }
    const order = (lines: string[], status: string) =>
      [
        ...new Set(
          lines.filter((line) => line.includes(` ${status} `)).map((line) => line.split(' ')[0]!.slice(-1)),
        ),
      ].join('');
    const down = await watching(
      'get pods -w',
      () => run(`patch sts/nginx-statefulset -p '{"spec":{"replicas":1}}'`),
      (lines) => order(lines, 'Terminating') === '21',
    );
    assert.equal(order(down, 'Terminating'), '21');
    await run('scale statefulset/nginx-statefulset --replicas=4');
    await until('get statefulset', ['NAME READY AGE', 'nginx-statefulset 4/4 AGE']);
    await run(
      `patch sts/nginx-statefulset -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}'`,
    );
    const updated = await watching(
      'get pods -w',
      () => run('set image statefulset nginx-statefulset nginx=nginx:1.14'),
      (lines) => lines.filter((line) => line.startsWith('nginx-statefulset-2 1/1 Running')).length > 1,
    );
    assert.equal(order(updated, 'Terminating'), '32');
    const tags = `get pods -l app=nginx-pod ${images}`;
    await until(tags, ['Image', 'nginx:1.12', 'nginx:1.12', 'nginx:1.14', 'nginx:1.14']);
    await run(
      `patch sts/nginx-statefulset -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}'`,
    );
    await until(tags, ['Image', ...Array(4).fill('nginx:1.14')]);
    assertPrints(await run('delete service/nginx-svc statefulset.apps/nginx-statefulset'), [
      'service "nginx-svc" deleted',
      'statefulset.apps "nginx-statefulset" deleted',
    ]);
    assert.equal(normalized(await run('get pvc')).length, 5, 'the claims stay');
  });
});

const images = '-o custom-columns=Image:spec.containers[0].image';

/** The methods of a learner as words of their own. */
function bind(learner: Learner) {
  const { run, attempt, apply, until, untilMatch, watching } = Learner.prototype;
  return {
    run: run.bind(learner),
    attempt: attempt.bind(learner),
    apply: apply.bind(learner),
    until: until.bind(learner),
    untilMatch: untilMatch.bind(learner),
    watching: watching.bind(learner),
  };
}

const sidecar = `
apiVersion: v1
kind: Pod
metadata: {name: simple-webapp}
spec:
  containers:
    - name: main-application
      image: nginx
      volumeMounts: [{name: shared-logs, mountPath: /var/log/nginx}]
    - name: sidecar-container
      image: busybox
      command: ["sh","-c","while true; do cat /var/log/nginx/access.log; sleep 30; done"]
      volumeMounts: [{name: shared-logs, mountPath: /var/log/nginx}]
  volumes:
    - {name: shared-logs, emptyDir: {}}
`;

const replicaSet = (version: string, replicas: number) => `
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: myapp, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: myapp, release: canary}}
  template:
    metadata:
      name: myapp-pod
      labels: {app: myapp, release: canary}
    spec:
      containers:
      - name: myapp-containers
        image: ikubernetes/myapp:${version}
        imagePullPolicy: IfNotPresent
        ports: [{name: http, containerPort: 80}]
`;

const deployment = (replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: deploy-demo, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: deploy-app, release: canary}}
  template:
    metadata: {labels: {app: deploy-app, release: canary}}
    spec:
      containers:
      - name: myapp
        image: ikubernetes/myapp:v1
        ports: [{name: http, containerPort: 80}]
`;

const daemonSet = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemset-nginx, namespace: default, labels: {app: daem-nginx}}
spec:
  selector: {matchLabels: {app: daem-nginx}}
  template:
    metadata: {name: nginx, labels: {app: daem-nginx}}
    spec:
      containers:
      - name: nginx-pod
        image: nginx:1.12
        ports: [{name: http, containerPort: 80}]
`;

/** The tutorial's volumes are on an NFS server; folders of the nodes stand for it. Sizes are those that it prints. */
const volumes = [1, 2, 3, 4, 5]
  .map(
    (at) => `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-nfs-00${at}, labels: {name: pv00${at}}}
spec:
  hostPath: {path: /var/lib/wherry/tutorial/v${at}, type: DirectoryOrCreate}
  accessModes: ${at === 2 ? '["ReadWriteOnce"]' : '["ReadWriteOnce","ReadWriteMany"]'}
  capacity: {storage: ${at === 1 ? '2Gi' : '5Gi'}}
  persistentVolumeReclaimPolicy: Retain
`,
  )
  .join('---');

const statefulSet = `
apiVersion: v1
kind: Service
metadata: {name: nginx-svc, labels: {app: nginx-svc}}
spec:
  ports: [{name: http, port: 80}]
  clusterIP: None
  selector: {app: nginx-pod}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nginx-statefulset}
spec:
  serviceName: nginx-svc
  replicas: 3
  selector: {matchLabels: {app: nginx-pod}}
  template:
    metadata: {labels: {app: nginx-pod}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.12
        imagePullPolicy: IfNotPresent
        ports: [{name: http, containerPort: 80}]
        volumeMounts: [{name: nginxdata, mountPath: /usr/share/nginx/html}]
  volumeClaimTemplates:
  - metadata: {name: nginxdata}
    spec:
      accessModes: ["ReadWriteOnce"]
      resources: {requests: {storage: 5Gi}}
`;
