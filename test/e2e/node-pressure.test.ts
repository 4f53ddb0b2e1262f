/** A node on a small disk: limits on what pods write, logs that are rotated, a disk that one pod fills. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { eventually, execute, expectSuccess, TestCluster } from './test-cluster.ts';

const image = 'test.local/busybox:1';
const diskMiB = 500;
const linesWritten = 30_000;
/** A node looks at its disk every ten seconds; filling one takes a busy machine its time. */
const evictionMs = 180_000;

const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  podPidsLimit: 64,
  containerLogMaxSize: '100Ki',
  containerLogMaxFiles: 3,
  containerLogMonitorInterval: '1s',
  evictionHard: { 'nodefs.available': '100Mi' },
  evictionPressureTransitionPeriod: '3s',
};

const verdict = '{.status.phase}{"\\n"}{.status.reason}{"\\n"}{.status.message}';
/** Asked to end, it fails, as most programs do: a pod that is evicted and ends well has succeeded. */
const forever = 'trap "exit 143" TERM; sleep 1000 & wait';
const mebibytes = (count: number, file: string) => `dd if=/dev/zero of=${file} bs=1M count=${count}`;

const scripts: Record<string, { script: string; spec?: object; resources?: object }> = {
  volume: {
    script: `${mebibytes(5, '/e/f')}; ${forever}`,
    spec: { volumes: [{ name: 'e', emptyDir: { sizeLimit: '2Mi' } }] },
  },
  layer: {
    script: `${mebibytes(5, '/f')}; ${forever}`,
    resources: { limits: { 'ephemeral-storage': '3Mi' } },
  },
  processes: { script: `for i in $(seq 100); do sleep 500 & done; ${forever}` },
  logs: {
    script: `for i in $(seq ${linesWritten}); do echo line $i; [ $((i % 500)) = 0 ] && usleep 100000; done; ${forever}`,
  },
  modest: {
    script: `${mebibytes(20, '/e/f')}; ${forever}`,
    spec: { volumes: [{ name: 'e', emptyDir: {} }] },
  },
  greedy: { script: `until [ -e /go ]; do sleep 1; done; ${mebibytes(diskMiB, '/f')}; ${forever}` },
};

function pod(name: string): object {
  const { script, spec, resources } = scripts[name]!;
  const container = {
    name: 'c',
    image,
    command: ['sh', '-c', script],
    ...(resources && { resources }),
    ...(spec && { volumeMounts: [{ name: 'e', mountPath: '/e' }] }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container], ...spec },
  };
}

suite('a node on a small disk', () => {
  const cluster = new TestCluster();

  before(async () => {
    const mount = ['-t', 'tmpfs', '-o', `size=${diskMiB}m`, 'tmpfs', cluster.home];
    await expectSuccess(execute('mount', mount), 'mount');
    const file = join(cluster.home, 'kubelet.yaml');
    writeFileSync(file, JSON.stringify(kubelet));
    await cluster.up('--kubelet-config', file);
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
    const items = Object.keys(scripts).map(pod);
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  });
  after(async () => {
    await cluster.wherry('delete', '--name', cluster.name);
    await expectSuccess(execute('umount', ['-l', cluster.home]), 'umount');
    await cluster.delete();
  });

  const field = (name: string, path: string) =>
    cluster.kubectl('get', 'pod', name, '-o', `jsonpath={.status.${path}}`);
  const evicted = (name: string) =>
    eventually(
      `${name} is evicted`,
      async () => {
        const shown = await cluster.kubectl('get', 'pod', name, '-o', `jsonpath=${verdict}`);
        const [phase, reason, message] = shown.split('\n');
        return phase === 'Failed' && reason === 'Evicted' && message;
      },
      evictionMs,
    );
  const diskPressure = () =>
    cluster.kubectl(
      'get',
      'nodes',
      '-o',
      'jsonpath={.items[0].status.conditions[?(@.type=="DiskPressure")].status} {.items[0].spec.taints[*].key}',
    );

  test('the configuration that was given is in force', async () => {
    const text = await cluster.kubectl('get', '--raw', '/api/v1/nodes/wherry/proxy/configz');
    const { kubeletconfig } = JSON.parse(text) as { kubeletconfig: Record<string, unknown> };
    assert.equal(kubeletconfig.podPidsLimit, kubelet.podPidsLimit);
    assert.deepEqual(kubeletconfig.evictionHard, kubelet.evictionHard);
  });

  suite('what single pods do', { concurrency: true }, () => {
    test('a pod that writes more than its limit is evicted, with the reason', async () => {
      assert.equal(await evicted('volume'), 'Usage of EmptyDir volume "e" exceeds the limit "2Mi". ');
      assert.equal(
        await evicted('layer'),
        'Pod ephemeral local storage usage exceeds the total limit of containers 3Mi. ',
      );
    });

    test('a pod has no more processes than the node allows', async () => {
      await eventually('the limit is felt', async () =>
        /can't fork/.test(await cluster.kubectl('logs', 'processes')),
      );
    });

    test('a log that is followed while its file is rotated misses no line, and old files go', async () => {
      await eventually('it has begun', () => cluster.kubectl('logs', 'logs', '--tail=1'));
      const { stdout } = await cluster.tryKubectl(['logs', '-f', '--tail=1', 'logs'], { timeoutMs: 20_000 });
      const numbers = [...stdout.matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
      assert.equal(numbers.at(-1), linesWritten);
      const gaps = numbers.filter((number, index) => index > 0 && number !== numbers[index - 1]! + 1);
      assert.deepEqual(gaps, []);
      const uid = await cluster.kubectl('get', 'pod', 'logs', '-o', 'jsonpath={.metadata.uid}');
      const folder = `/proc/${cluster.pidOf('wherry/holder')}/root/var/log/pods/default_logs_${uid}/c`;
      assert.equal(readdirSync(folder).length, kubelet.containerLogMaxFiles);
    });
  });

  test('a full disk is the end of the pod that filled it, and of no other', async () => {
    await cluster.kubectl('exec', 'greedy', '--', 'touch', '/go');
    assert.match(
      await evicted('greedy'),
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: 100Mi, available: (?:0|\d+[KM]i)\. Container c was using \d+[KM]i, request is 0, has larger consumption of ephemeral-storage\. $/,
    );
    await eventually('the pressure is over', async () => (await diskPressure()) === 'False ');
    assert.equal(await field('modest', 'phase'), 'Running');
    const events = await cluster.kubectl('get', 'events', '-o', 'custom-columns=:reason,:message');
    assert.match(events, /NodeHasDiskPressure/);
    assert.match(events, /EvictionThresholdMet +Attempting to reclaim ephemeral-storage/);
  });

  test('a cluster whose disk has no room left can be deleted', async () => {
    const filled = await execute('dd', ['if=/dev/zero', `of=${join(cluster.home, 'fill')}`, 'bs=1M']);
    assert.match(filled.stderr, /No space left on device/);
    await cluster.wherry('delete', '--name', cluster.name);
  });
});
