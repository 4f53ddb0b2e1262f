/** The tutorial "StatefulSet", and the chapter on StatefulSets of "in action", replayed. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually, TestCluster } from '../test-cluster.ts';
import { loadTutorialImages } from './images.ts';
import { assertPrints, Learner, normalized } from './transcript.ts';

suite('stateful', () => {
  const cluster = new TestCluster();
  const learner = new Learner(cluster, 'demo');
  const run = learner.run.bind(learner);
  before(async () => {
    await cluster.up();
    await loadTutorialImages(cluster, ['busybox', 'nginx', 'kubiaPet', 'kubiaPetPeers', 'dnsutils']);
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

  suite('in action: StatefulSets', () => {
    const learner = new Learner(cluster);
    const run = learner.run.bind(learner);
    let proxy: Awaited<ReturnType<Learner['proxy']>>;
    before(async () => {
      proxy = await learner.proxy();
    });
    after(() => proxy[Symbol.dispose]());

    /** What `curl localhost:8001/api/v1/namespaces/default/…/proxy/` prints, with `-d data` when there is some. */
    const curl = async (target: string, data?: string) => {
      const answer = await fetch(`${proxy.url}/api/v1/namespaces/default/${target}/proxy/`, {
        ...(data !== undefined && { method: 'POST', body: data }),
        signal: AbortSignal.timeout(10_000),
      });
      return await answer.text();
    };
    const podsAre = (count: number) =>
      learner.until('get pods', [
        'NAME READY STATUS RESTARTS AGE',
        ...Array.from({ length: count }, (_, at) => `kubia-${at} 1/1 Running 0 AGE`),
      ]);
    const empty = (name: string) => `You've hit ${name}\nData stored on this pod: No data posted yet\n`;
    const kept = "You've hit kubia-0\nData stored on this pod: Hello, world! kubia-0\n";

    test('the second pod comes when the first one runs; each has a claim of its own', async () => {
      await learner.create(kubia);
      const seen = await learner.watching(
        'get pods -w',
        async () => undefined,
        (lines) => lines.some((line) => line.startsWith('kubia-1 1/1 Running')),
      );
      const firstRuns = seen.findIndex((line) => line.startsWith('kubia-0 1/1 Running'));
      assert.ok(
        seen.findIndex((line) => line.startsWith('kubia-1 ')) > firstRuns && firstRuns > 0,
        seen.join('\n'),
      );
      await podsAre(2);
      for (const at of [0, 1])
        assert.match(
          await run(`get pods kubia-${at} -o yaml`),
          new RegExp(`- name: data\n    persistentVolumeClaim:\n      claimName: data-kubia-${at}\n`),
        );
    });

    test('the API server passes requests on to single pods, which keep data apart from one another', async () => {
      assert.equal(await curl('pods/kubia-0'), empty('kubia-0'));
      assert.equal(await curl('pods/kubia-0', 'Hello, world! kubia-0'), 'Data stored on pod kubia-0\n');
      assert.equal(await curl('pods/kubia-0'), kept);
      assert.equal(await curl('pods/kubia-1'), empty('kubia-1'));
    });

    test('a deleted pod comes back with its name and its claim', async () => {
      const uid = () => run('get pod kubia-0 -o jsonpath={.metadata.uid}');
      const before = await uid();
      assert.match(await run('delete pods kubia-0'), /^pod "kubia-0" deleted/);
      await podsAre(2);
      assert.notEqual(await uid(), before);
      assert.match(await run('get pods kubia-0 -o yaml'), /claimName: data-kubia-0\n/);
      assert.equal(await curl('pods/kubia-0'), kept);
      const asked = () => run('exec kubia-1 -- curl -s kubia-0.kubia:8080');
      assert.equal(await eventually('the other answers by its name', asked), kept);
    });

    test('a Service reaches them, and SRV records name each of them', async () => {
      await learner.create(publicService);
      assert.match(
        await eventually('the service answers', async () => {
          const page = await curl('services/kubia-public');
          return page.startsWith("You've hit ") && page;
        }),
        /^You've hit kubia-[01]\nData stored on this pod: /,
      );
      const found = await run(
        'run -it srvlookup --image=tutum/dnsutils --rm --restart=Never -- dig SRV kubia.default.svc.cluster.local',
      );
      const names = ['kubia-0', 'kubia-1'].map((name) => `${name}.kubia.default.svc.cluster.local`);
      assert.deepEqual(
        found
          .split('\n')
          .filter((line) => line.includes(' SRV '))
          .sort(),
        names.map((name) => `kubia.default.svc.cluster.local. IN SRV 0 50 80 ${name}.`),
      );
      assert.match(found, /^pod "srvlookup" deleted/m);
    });

    test('pods get another image when they are deleted, and find their peers', async () => {
      const edited = {
        replicas: 3,
        template: { spec: { containers: [{ name: 'kubia', image: 'luksa/kubia-pet-peers' }] } },
      };
      await run(`patch statefulset kubia -p '${JSON.stringify({ spec: edited })}'`);
      await podsAre(3);
      const images = 'get pods -o custom-columns=IMAGE:.spec.containers[0].image';
      // The manifest's version, apps/v1beta1, has updates wait for that.
      assertPrints(await run(images), [
        'IMAGE',
        'luksa/kubia-pet',
        'luksa/kubia-pet',
        'luksa/kubia-pet-peers',
      ]);
      await run('delete pods kubia-0 kubia-1');
      await podsAre(3);
      assertPrints(await run(images), ['IMAGE', ...Array(3).fill('luksa/kubia-pet-peers')]);
      const data = ['Hello, world! kubia-0', 'No data posted yet', 'No data posted yet'];
      const expected = data.map((text, at) => `- kubia-${at}.kubia.default.svc.cluster.local: ${text}`);
      await eventually('all peers', async () => {
        const [hit, title, ...peers] = (await curl('pods/kubia-1')).trimEnd().split('\n');
        assert.deepEqual([hit, title], ["You've hit kubia-1", 'Data stored in the cluster:']);
        assert.deepEqual(peers.sort(), expected);
        return true;
      });
    });

    test('claims outlive their pods, and more replicas take up those that are there', async () => {
      const claims = async () =>
        normalized(await run('get pvc')).map((line) => line.split(' ').slice(0, 3).join(' '));
      const before = await claims();
      assert.deepEqual(
        before.slice(1).map((line) => line.replace(/ pvc-\S+$/, '')),
        [0, 1, 2].map((at) => `data-kubia-${at} Bound`),
      );
      assert.equal(await curl('pods/kubia-2', 'kept'), 'Data stored on pod kubia-2\n');
      const down = await learner.watching(
        'get pods -w',
        () => run('scale statefulset kubia --replicas=1'),
        (lines) => lines.some((line) => line.startsWith('kubia-1 1/1 Terminating')),
      );
      const ending = down.filter((line) => line.includes(' Terminating ')).map((line) => line.split(' ')[0]);
      assert.deepEqual([...new Set(ending)], ['kubia-2', 'kubia-1']);
      await podsAre(1);
      assert.deepEqual(await claims(), before);
      await run('scale statefulset kubia --replicas=3');
      await podsAre(3);
      assert.deepEqual(await claims(), before);
      assert.equal(await run('exec kubia-2 -- curl -s localhost:8080/data'), 'kept\n');
    });
  });
});

const kubia = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: k8s.io/minikube-hostpath
parameters: {type: pd-ssd}
---
apiVersion: v1
kind: Service
metadata: {name: kubia}
spec:
  clusterIP: None
  selector: {app: kubia}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: kubia}
spec:
  serviceName: kubia
  replicas: 2
  template:
    metadata: {labels: {app: kubia}}
    spec:
      containers:
      - name: kubia
        image: luksa/kubia-pet
        ports: [{name: http, containerPort: 8080}]
        volumeMounts: [{name: data, mountPath: /var/data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      storageClassName: fast
      resources: {requests: {storage: 1Mi}}
      accessModes: [ReadWriteOnce]
`;

const publicService = `
apiVersion: v1
kind: Service
metadata: {name: kubia-public}
spec:
  selector: {app: kubia}
  ports: [{port: 80, targetPort: 8080}]
`;

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
