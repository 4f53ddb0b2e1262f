/** The tutorials' chapters on claims, quotas, resource use and autoscaling, with real containers and the real kubectl. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { eventually, TestCluster } from './test-cluster.ts';

/** How long shares of a core are compared for. */
const burnSeconds = 10;

suite('storage, quotas and autoscaling', { concurrency: 4 }, () => {
  const cluster = new TestCluster();

  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, ['docker.io/library/busybox:latest']);
    await cluster.wherry('image', 'load', archive);
  });
  after(() => cluster.delete());

  const read = (...args: string[]) => cluster.kubectl('get', ...args);
  const phaseOf = (kind: string, name: string) => read(kind, name, '-o', 'jsonpath={.status.phase}');

  /** Where the node keeps what is `path` to its pods. */
  const onNode = (path: string) =>
    join(cluster.folder, 'nodes', 'wherry', 'var-lib', path.replace('/var/lib/', ''));

  const pod = (name: string, claimName: string, script: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, '${script}']
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: ${claimName}}}]
`;
  const claim = (name: string, storageClassName?: string) => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ${name}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 100Mi}}
  ${storageClassName === undefined ? '' : `storageClassName: "${storageClassName}"`}
`;

  test('a volume shows the files of an image, which the node lets go with the pod', {
    timeout: 120_000,
  }, async () => {
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: {name: shows-image}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sleep, '600']
    volumeMounts: [{name: files, mountPath: /files}, {name: files, mountPath: /part, subPath: bin}]
  volumes: [{name: files, image: {reference: busybox, pullPolicy: IfNotPresent}}]
`);
    await cluster.kubectl('wait', '--for=condition=Ready', 'pod/shows-image', '--timeout=60s');
    const uid = await read('pod', 'shows-image', '-o', 'jsonpath={.metadata.uid}');
    const exec = (script: string) => cluster.tryKubectl(['exec', 'shows-image', '--', 'sh', '-c', script]);
    assert.equal((await exec('test -e /files/bin/sh && test -e /part/sh')).code, 0);
    assert.match((await exec('touch /files/x')).stderr, /Read-only file system/);
    await cluster.kubectl('delete', 'pod', 'shows-image');
    await eventually('the node has let go', async () => !existsSync(onNode(`/var/lib/kubelet/pods/${uid}`)));
  });

  test('data outlives its pod, and goes with its claim', { timeout: 120_000 }, async () => {
    await cluster.apply(claim('kept'));
    await cluster.apply(pod('writer', 'kept', 'id -u > /data/file'));
    await eventually('the writer ends', async () => (await phaseOf('pod', 'writer')) === 'Succeeded');
    await cluster.kubectl('delete', 'pod', 'writer', '--now');
    await cluster.apply(pod('reader', 'kept', 'cat /data/file; sleep 600'));
    await cluster.kubectl('wait', '--for=condition=Ready', 'pod/reader', '--timeout=60s');
    await eventually('the reader prints', async () => (await cluster.kubectl('logs', 'reader')) === '0\n');
    const volume = await read('pvc', 'kept', '-o', 'jsonpath={.spec.volumeName}');
    const path = onNode(await read('pv', volume, '-o', 'jsonpath={.spec.hostPath.path}'));
    assert.ok(existsSync(join(path, 'file')), path);

    await cluster.kubectl('delete', 'pvc', 'kept', '--wait=false');
    // What was deleted after it and is not in use is gone: its turn has been.
    await cluster.apply(claim('unused'));
    await cluster.kubectl('delete', 'pvc', 'unused');
    assert.equal(await phaseOf('pvc', 'kept'), 'Bound', 'a claim in use stays');
    await cluster.kubectl('delete', 'pod', 'reader', '--now');
    await eventually('the volume is gone', async () => !(await read('pv', '-o', 'name')).includes(volume));
    assert.ok(!existsSync(path), 'its directory went with it');
  });

  test('a recycled volume is empty, and nothing that its links led to was touched', {
    timeout: 120_000,
  }, async () => {
    await cluster.apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: recycled}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: by-hand
  persistentVolumeReclaimPolicy: Recycle
  hostPath: {path: /var/lib/wherry/recycled, type: DirectoryOrCreate}
`);
    await cluster.apply(claim('first', 'by-hand'));
    await cluster.apply(
      pod(
        'filler',
        'first',
        'mkdir -p /data/a/b; touch /data/a/b/c /data/.hidden; ln -s / /data/root; ln -s ../precious /data/p',
      ),
    );
    await eventually('the filler ends', async () => (await phaseOf('pod', 'filler')) === 'Succeeded');
    assert.ok(globSync(join(onNode('/var/lib/wherry/recycled'), '*')).length > 0);
    await cluster.kubectl('delete', 'pod', 'filler', '--now');
    await cluster.kubectl('delete', 'pvc', 'first');
    await eventually('the volume is free', async () => (await phaseOf('pv', 'recycled')) === 'Available');
    await cluster.apply(claim('second', 'by-hand'));
    await cluster.apply(pod('lister', 'second', 'ls -A /data | wc -l'));
    await eventually('the lister ends', async () => (await phaseOf('pod', 'lister')) === 'Succeeded');
    assert.equal((await cluster.kubectl('logs', 'lister')).trim(), '0');
    assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/m);
  });

  test('a quota is shown and enforced in the words of the tutorial', { timeout: 60_000 }, async () => {
    await cluster.kubectl('create', 'namespace', 'tenant');
    await cluster.kubectl(
      'create',
      'quota',
      'cpu-add-mem',
      '-n',
      'tenant',
      '--hard=requests.cpu=400m,requests.memory=200Mi,limits.cpu=600m,limits.memory=500Mi',
    );
    await eventually(
      'the quota is counted',
      async () => (await read('quota', '-n', 'tenant', '-o', 'jsonpath={.items[0].status.used}')) !== '',
    );
    const shown = await cluster.kubectl('describe', 'quota', '-n', 'tenant');
    for (const line of [/^limits.cpu +0 +600m$/m, /^limits.memory +0 +500Mi$/m, /^requests.cpu +0 +400m$/m])
      assert.match(shown, line);
    const { stderr } = await cluster.tryKubectl([
      'run',
      'kubia-manual',
      '-n',
      'tenant',
      '--image=busybox',
      '--restart=Never',
    ]);
    assert.ok(
      stderr.includes(
        'pods "kubia-manual" is forbidden: failed quota: cpu-add-mem: must specify limits.cpu,limits.memory,requests.cpu,requests.memory',
      ),
      stderr,
    );
  });

  test('CPU requests divide a core 5 : 1, limits throttle, and a memory hog is killed at its limit', {
    timeout: 120_000,
  }, async () => {
    // All three on one core, so that it is they who compete for it.
    const burner = (name: string, resources: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [taskset, "1", dd, if=/dev/zero, of=/dev/null]
    resources: ${resources}
---`;
    await cluster.apply(`
${burner('large-share', '{requests: {cpu: 500m}}')}
${burner('small-share', '{requests: {cpu: 100m}}')}
${burner('throttled', '{limits: {cpu: 50m, memory: 50Mi}}')}
apiVersion: v1
kind: Pod
metadata: {name: hog}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [tail, /dev/zero]
    resources: {limits: {memory: 30Mi}}
`);
    const burners = ['large-share', 'small-share', 'throttled'];
    const pods = burners.map((name) => `pod/${name}`);
    await cluster.kubectl('wait', '--for=condition=Ready', ...pods, '--timeout=60s');
    const before = await cpuSeconds();
    const after = await eventually('each has been looked at again, long after', async () => {
      const now = await cpuSeconds();
      const isLate = (name: string) => now[name]!.atSeconds - before[name]!.atSeconds >= burnSeconds;
      return burners.every(isLate) && now;
    });
    await cluster.kubectl('delete', '--now', '--wait=false', ...pods);
    const [large, small, throttled] = burners.map((name) => after[name]!.used - before[name]!.used);
    // Each container is looked at in its own time.
    const spanOf = (name: string) => after[name]!.atSeconds - before[name]!.atSeconds;
    const ratio = large! / spanOf('large-share') / (small! / spanOf('small-share'));
    assert.ok(ratio > 3.5 && ratio < 7, `${large} : ${small}, ${ratio}`);
    const seconds = after.throttled!.atSeconds - before.throttled!.atSeconds;
    assert.ok(throttled! / seconds < 0.06, `${throttled} in ${seconds} seconds`);

    await eventually('the hog ends', async () => (await phaseOf('pod', 'hog')) === 'Failed');
    const ended = await read('pod', 'hog', '-o', 'jsonpath={.status.containerStatuses[0].state.terminated}');
    const { reason, exitCode } = JSON.parse(ended) as { reason: string; exitCode: number };
    assert.deepEqual({ reason, exitCode }, { reason: 'OOMKilled', exitCode: 137 });
  });

  /** CPU that pods have used, and when that was read, by the kubelet's own statistics. */
  async function cpuSeconds(): Promise<Record<string, { used: number; atSeconds: number }>> {
    interface Summary {
      pods: { podRef: { name: string }; cpu?: { usageCoreNanoSeconds: number; time: string } }[];
    }
    const text = await read('--raw', '/api/v1/nodes/wherry/proxy/stats/summary');
    const entries = (JSON.parse(text) as Summary).pods.map(({ podRef, cpu }) => [
      podRef.name,
      { used: (cpu?.usageCoreNanoSeconds ?? 0) / 1e9, atSeconds: Date.parse(cpu?.time ?? '') / 1000 },
    ]);
    return Object.fromEntries(entries);
  }

  test('load scales a deployment up, as kubectl top shows it', { timeout: 180_000 }, async () => {
    await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [dd, if=/dev/zero, of=/dev/null]
        resources: {requests: {cpu: 10m}, limits: {cpu: 100m}}
`);
    await cluster.kubectl('wait', '--for=condition=Available', 'deployment/busy', '--timeout=60s');
    await eventually(
      'kubectl top knows the pod',
      async () => {
        const { code, stdout } = await cluster.tryKubectl([
          'top',
          'pod',
          '-l',
          'app=busy',
          '--containers',
          '--no-headers',
        ]);
        return code === 0 && /^busy-\S+ +c +[1-9]\d*m +\d+Mi/m.test(stdout);
      },
      15_000,
    );
    assert.match(await cluster.kubectl('top', 'node', '--no-headers'), /^wherry +\d+m +\d+% +\d+Mi +\d+%/m);
    await cluster.kubectl('autoscale', 'deployment', 'busy', '--cpu-percent=30', '--min=1', '--max=3');
    await eventually(
      'there are three',
      async () => (await read('deployment', 'busy', '-o', 'jsonpath={.spec.replicas}')) === '3',
      90_000,
    );
    const events = await read(
      'events',
      '--field-selector',
      'reason=SuccessfulRescale',
      '-o',
      'jsonpath={.items[*].message}',
    );
    assert.match(
      events,
      /New size: \d; reason: cpu resource utilization \(percentage of request\) above target/,
    );
  });

  test('pods are scaled by what they expose, of the series that are asked for, with nothing installed', {
    timeout: 180_000,
  }, async () => {
    await cluster.apply(exposing);
    await cluster.kubectl('wait', '--for=condition=Available', 'deployment/exposing', '--timeout=60s');
    const valuesOf = async (metric: string) => {
      const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/${metric}`;
      const { items } = JSON.parse(await read('--raw', path)) as { items: { value: string }[] };
      return items.map(({ value }) => value);
    };
    await eventually('the queue', async () => (await valuesOf('queue_length')).includes('7'));
    await eventually(
      'there are two',
      async () => (await read('deployment', 'exposing', '-o', 'jsonpath={.spec.replicas}')) === '2',
      90_000,
    );
    assert.match(
      await read('events', '-o', 'jsonpath={.items[*].message}'),
      /New size: 2; reason: pods metric http_requests above target/,
    );
  });
});

/** Its requests with code 200 are ten a second, which says the machine's clock; those with code 500 do not grow. */
const exposing = String.raw`
apiVersion: apps/v1
kind: Deployment
metadata: {name: exposing}
spec:
  selector: {matchLabels: {app: exposing}}
  template:
    metadata:
      labels: {app: exposing}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9090"}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: busybox
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |
          cat > /answer.sh <<'END'
          #!/bin/sh
          read -r request
          count=$(( $(cut -d. -f1 /proc/uptime) * 10 ))
          printf 'HTTP/1.0 200 OK\r\n\r\n# TYPE http_requests_total counter\n'
          printf 'http_requests_total{path="/users/{id}",code="200"} %s\n' $count
          printf 'http_requests_total{path="/",code="500"} 5\nqueue_length 7\n'
          END
          chmod +x /answer.sh
          nc -ll -p 9090 -e /answer.sh
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: exposing}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: exposing}
  maxReplicas: 2
  metrics:
  - type: Pods
    pods:
      metric: {name: http_requests, selector: {matchLabels: {code: "200"}}}
      target: {type: AverageValue, averageValue: "5"}
`;
