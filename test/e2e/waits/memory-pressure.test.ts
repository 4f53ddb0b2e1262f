/** A node on which pods use more memory than there is for them: who goes, in which order, and who stays. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from '../images.ts';
import { eventually, TestCluster } from '../test-cluster.ts';

const image = 'test.local/busybox:1';
/** The machine's own memory is not at stake: pods have a part of it, and run short of that. */
const forPodsMiB = 700;
const thresholdMiB = 150;
/** A node looks at its memory every ten seconds; the grower takes 60 MiB meanwhile, less than the threshold leaves. */
const evictionMs = 240_000;

const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  systemReserved: { memory: `${Math.floor(totalmem() / 1024 ** 2) - forPodsMiB}Mi` },
  evictionHard: { 'memory.available': `${thresholdMiB}Mi` },
  evictionPressureTransitionPeriod: '3s',
};

const forever = 'trap "exit 143" TERM; sleep 1000 & wait';
const hold = (mebibytes: number) => `dd if=/dev/zero of=/memory/f bs=1M count=${mebibytes}; ${forever}`;
const grow =
  'trap "exit 143" TERM; n=0; while :; do dd if=/dev/zero of=/memory/$n bs=1M count=6; n=$((n + 1)); sleep 1; done';

/** The burstable one stays below its request until the best-effort one is gone, and passes it then. */
const pods: [name: string, script: string, resources: object][] = [
  ['guaranteed', hold(100), { limits: { cpu: '100m', memory: '150Mi' } }],
  ['best-effort', hold(200), {}],
  ['burstable', grow, { requests: { memory: '260Mi' } }],
];

function pod([name, script, resources]: (typeof pods)[number]): object {
  const volumeMounts = [{ name: 'memory', mountPath: '/memory' }];
  const container = { name: 'c', image, command: ['sh', '-c', script], resources, volumeMounts };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [container],
      volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
    },
  };
}

suite('a node whose pods need more memory than it has for them', () => {
  const cluster = new TestCluster();

  before(async () => {
    const file = join(cluster.home, 'kubelet.yaml');
    writeFileSync(file, JSON.stringify(kubelet));
    await cluster.up('--kubelet-config', file);
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods.map(pod) }));
  });
  after(() => cluster.delete());

  const status = (name: string, path: string) =>
    cluster.kubectl('get', 'pod', name, '-o', `jsonpath={.status.${path}}`);
  const evicted = (name: string) =>
    eventually(
      `${name} is evicted`,
      async () =>
        (await status(name, 'reason')) === 'Evicted' && {
          message: await status(name, 'message'),
          others: await Promise.all(pods.map(([other]) => status(other, 'phase'))),
        },
      evictionMs,
    );

  test('the kernel would end the best-effort pod first and the guaranteed one last', async () => {
    await cluster.kubectl(
      'wait',
      '--for=condition=Ready',
      ...pods.map(([name]) => `pod/${name}`),
      '--timeout=60s',
    );
    const scores = await Promise.all(
      ['best-effort', 'burstable', 'guaranteed'].map(async (name) =>
        Number(await cluster.kubectl('exec', name, '--', 'cat', '/proc/1/oom_score_adj')),
      ),
    );
    assert.equal(scores[0], 1000);
    assert.deepEqual(
      scores.toSorted((a, b) => b - a),
      scores,
    );
    assert.equal(new Set(scores).size, scores.length);
  });

  test('the best-effort pod goes, then the burstable one that passes its request; the guaranteed one stays', async () => {
    const first = await evicted('best-effort');
    assert.match(
      first.message,
      /^The node was low on resource: memory\. Threshold quantity: 150Mi, available: \d+[KM]i\. Container c was using \d+[KM]i, request is 0, has larger consumption of memory\. $/,
    );
    assert.deepEqual(first.others, ['Running', 'Failed', 'Running']);
    const second = await evicted('burstable');
    assert.match(second.message, /Container c was using \d+[KM]i, request is 260Mi, has larger consumption/);
    assert.deepEqual(second.others, ['Running', 'Failed', 'Failed']);
    assert.equal(await status('guaranteed', 'containerStatuses[0].restartCount'), '0');
    const events = await cluster.kubectl('get', 'events', '-o', 'custom-columns=:reason,:message');
    assert.match(events, /EvictionThresholdMet +Attempting to reclaim memory/);
  });
});
