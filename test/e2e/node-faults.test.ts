/** A node with thirty pods of many kinds, to which everything bad is done: nothing restarts needlessly, nothing is left. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { eventually, TestCluster } from './test-cluster.ts';

const image = 'test.local/busybox:1';
const podCount = 30;

/** In turn: a plain pod, one with a probe, one with volumes, one with a sidecar, one on the host's network. */
function podSpec(index: number): object {
  const shell = (script: string) => ({ image, command: ['sh', '-c', script] });
  const forever = 'trap "exit 0" TERM; while :; do sleep 1; done';
  const container = { name: 'c', ...shell(forever) };
  const base = { terminationGracePeriodSeconds: 2, containers: [container] };
  switch (index % 5) {
    case 1:
      return {
        ...base,
        containers: [{ ...container, readinessProbe: { exec: { command: ['true'] }, periodSeconds: 2 } }],
      };
    case 2:
      return {
        ...base,
        containers: [
          {
            ...container,
            volumeMounts: [
              { name: 'e', mountPath: '/e' },
              { name: 'm', mountPath: '/m' },
              { name: 'e', mountPath: '/sub', subPath: 'inner' },
            ],
          },
        ],
        volumes: [
          { name: 'e', emptyDir: {} },
          { name: 'm', emptyDir: { medium: 'Memory' } },
        ],
      };
    case 3:
      return { ...base, initContainers: [{ name: 'side', ...shell(forever), restartPolicy: 'Always' }] };
    case 4:
      return { ...base, hostNetwork: true };
    default:
      return base;
  }
}

suite('a node with thirty pods', () => {
  const cluster = new TestCluster();

  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
    const items = Array.from({ length: podCount }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `p${index}`, labels: { app: 'many' } },
      spec: podSpec(index),
    }));
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await allReady();
  });
  after(() => cluster.delete());

  async function allReady(): Promise<void> {
    await eventually('all pods are ready', async () => (await ready()) === podCount);
  }

  async function ready(): Promise<number> {
    const text = await cluster.kubectl('get', 'pods', '-l', 'app=many', '--no-headers');
    return text.split('\n').filter((line) => /\b(1\/1|2\/2) +Running\b/.test(line)).length;
  }

  /** Container ids and restart counts by pod. */
  async function containers(): Promise<string> {
    const path =
      '{range .items[*]}{.metadata.name}{range .status.containerStatuses[*]} {.containerID} {.restartCount}{end}{range .status.initContainerStatuses[*]} {.containerID} {.restartCount}{end}{"\\n"}{end}';
    return cluster.kubectl(
      'get',
      'pods',
      '-l',
      'app=many',
      '--sort-by=.metadata.name',
      '-o',
      `jsonpath=${path}`,
    );
  }

  const faults: [name: string, victims: string[]][] = [
    ['the agent', ['wherry/agent']],
    ['containerd', ['wherry/containerd']],
    ['the server', ['server']],
    ['agent, containerd and server together', ['wherry/agent', 'wherry/containerd', 'server']],
  ];
  for (const [name, victims] of faults) {
    test(`kill -9 of ${name} restarts no container`, async () => {
      const before = await containers();
      for (const victim of victims) process.kill(cluster.pidOf(victim), 'SIGKILL');
      await cluster.up();
      await allReady();
      assert.equal(await containers(), before);
    });
  }

  test('a process that is killed within a pod is restarted, that one alone', async () => {
    const before = (await containers()).split('\n');
    await eventually('the process is told', () => cluster.kubectl('exec', 'p0', '--', 'kill', '-TERM', '1'));
    await eventually('p0 restarted', async () => {
      const count = await cluster.kubectl(
        'get',
        'pod',
        'p0',
        '-o',
        'jsonpath={.status.containerStatuses[0].restartCount}',
      );
      return count === '1';
    });
    await allReady();
    const changed = (await containers()).split('\n').filter((line, index) => line !== before[index]);
    assert.equal(changed.length, 1);
  });

  test('deleted pods leave no file, mount, group, address or process', async () => {
    await cluster.kubectl('delete', 'pods', '-l', 'app=many', '--timeout=60s');
    const root = `/proc/${cluster.pidOf('wherry/holder')}/root`;
    const list = (path: string) => (existsSync(join(root, path)) ? readdirSync(join(root, path)) : []);
    await eventually('everything is gone', async () => {
      const mounts = readFileSync(`/proc/${cluster.pidOf('wherry/holder')}/mountinfo`, 'utf8');
      const left = [
        ...list('/var/lib/kubelet/pods'),
        ...list('/var/lib/kubelet/memory'),
        ...list('/var/log/pods'),
        ...list('/run/netns'),
        ...mounts.split('\n').filter((line) => line.includes('/kubelet/pods/')),
      ];
      if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
      return true;
    });
    const pids = await cluster.tryWherry('status');
    assert.equal(pids.code, 0, pids.stdout);
  });
});
