/** A node with thirty pods of many kinds, to which everything bad is done: nothing restarts needlessly, nothing is left. */
import assert from 'node:assert/strict';
import {
  existsSync,
  globSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { moveClock } from './moved-clock.ts';
import { eventually, execute, expectSuccess, TestCluster } from './test-cluster.ts';

const image = 'test.local/busybox:1';
const podCount = 30;
/** What the cluster itself takes is a small part of it. */
const diskMiB = 400;
const hourMs = 3_600_000;
/** Thirty pods at once, beside other tests on a small machine. */
const readyLimitMs = 180_000;

/** A full disk is not to end pods here: test/e2e/node-pressure.test.ts shows who goes then. */
const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  evictionHard: { 'memory.available': '1Mi' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
};

/** In turn: a plain pod, one with a probe, one with volumes, one with a sidecar, one on the host's network. */
function podSpec(index: number): object {
  const shell = (script: string) => ({ image, command: ['sh', '-c', script] });
  const forever = 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done';
  const container = { name: 'c', ...shell(forever) };
  const base = { terminationGracePeriodSeconds: 2, containers: [container] };
  switch (index % 5) {
    case 1:
      return {
        ...base,
        containers: [{ ...container, readinessProbe: { exec: { command: ['true'] }, periodSeconds: 10 } }],
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

/** NaN: it has ended. */
const parentOf = (pid: number) => Number(/^PPid:\s*(\d+)$/m.exec(textOf(`/proc/${pid}/status`))?.[1]);

/** The containers of the cluster's pods, sandboxes among them, that have a process. */
function runningIds(clusterId: string): Set<string> {
  const groups = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => textOf(`/proc/${pid}/cgroup`))
    .filter((text) => text.includes(`-${clusterId}/`));
  return new Set(groups.flatMap((text) => /\/pod[^/\n]+\/([0-9a-f]{64})/.exec(text)?.[1] ?? []));
}

/** Of all processes of the container the one that none of the others has started. */
function firstProcessOf(containerId: string): number {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && textOf(`/proc/${entry}/cgroup`).includes(containerId))
    .map(Number);
  const parents = new Map(all.map((pid) => [pid, parentOf(pid)]));
  const first = all.find((pid) => !Number.isNaN(parents.get(pid)) && !all.includes(parents.get(pid)!));
  assert.ok(first, 'the container runs');
  return first;
}

/** Whether a shell runs for this pod in a container that is not the one of this id. */
function runsAnother(uid: string, containerId: string): boolean {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .some((pid) => {
      const groups = textOf(`/proc/${pid}/cgroup`);
      const isOfPod = groups.includes(uid) && !groups.includes(containerId);
      return isOfPod && textOf(`/proc/${pid}/cmdline`).startsWith('sh\0-c\0');
    });
}

/** Of a list of pods and their containers' ids, the id of the pod's first one. */
function containerIdOf(lines: readonly string[], pod: string): string {
  const id = lines.find((line) => line.startsWith(`${pod} `))?.match(/containerd:\/\/(\w+)/)?.[1];
  assert.ok(id, `${pod} has a container`);
  return id;
}

/** A process may end while it is looked at. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

function readsAs(link: string, expected: string): boolean {
  try {
    return readlinkSync(link) === expected;
  } catch {
    return false;
  }
}

suite('a node with thirty pods', () => {
  const cluster = new TestCluster();

  /** Of the node, before it had any pod. */
  let bare: string[];

  before(async () => {
    const mount = ['-t', 'tmpfs', '-o', `size=${diskMiB}m`, 'tmpfs', cluster.home];
    await expectSuccess(execute('mount', mount), 'mount');
    const file = join(cluster.home, 'kubelet.yaml');
    writeFileSync(file, JSON.stringify(kubelet));
    await cluster.up('--kubelet-config', file);
    await eventually('links have their addresses, and the service of the API its rules', async () => {
      // Until a link-local address is known to be unique, it has no routes.
      if ((await inNode('ip -6 address show tentative')) !== '') return false;
      bare = await network();
      // With the endpoint of the service, which may come later.
      return bare.some((line) => line.includes('10.96.0.1 . tcp . 443 . 0x00000000 : '));
    });
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
  after(async () => {
    try {
      await cluster.wherry('delete', '--name', cluster.name);
    } finally {
      await expectSuccess(execute('umount', ['-l', cluster.home]), 'umount');
      rmSync(cluster.home, { recursive: true });
    }
  });

  /** Links, addresses, routes, neighbours that were set, and rules of the node, without what they counted. */
  async function network(): Promise<string[]> {
    const asked = [
      'ip -br link',
      'ip -br address',
      'ip route show table all',
      'ip -6 route show table all',
      'ip neighbour show nud permanent',
      'nft --stateless list ruleset',
    ];
    const texts = await Promise.all(asked.map(inNode));
    return texts
      .flatMap((text) => text.split('\n'))
      .map((line) => line.trim())
      .filter(Boolean);
  }

  /** What a command prints in the node's network. */
  function inNode(words: string): Promise<string> {
    const holder = `${cluster.pidOf('wherry/holder')}`;
    return expectSuccess(execute('nsenter', ['--target', holder, '--net', ...words.split(' ')]), words);
  }

  /** How far the agent's clock is ahead, by what it last said of itself. */
  async function leaseAheadMs(): Promise<number> {
    const path = 'jsonpath={.spec.renewTime}';
    const renewed = await cluster.kubectl('get', 'lease', 'wherry', '-n', 'kube-node-lease', '-o', path);
    return Date.parse(renewed) - Date.now();
  }

  async function agentIsAheadBy(ms: number): Promise<void> {
    const toleranceMs = 60_000;
    await eventually('the node is heard of', async () => Math.abs((await leaseAheadMs()) - ms) < toleranceMs);
  }

  /** How often a containerd of the node has taken containers over, by its log. */
  function takeOvers(): number {
    const log = join(cluster.folder, 'nodes', 'wherry', 'logs', 'containerd.log');
    return textOf(log).split('Start event monitor').length;
  }

  /** A pod comes and goes. */
  async function podComesAndGoes(name: string): Promise<void> {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: podSpec(2) };
    await cluster.apply(JSON.stringify(pod));
    await cluster.kubectl('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    await cluster.kubectl('delete', 'pod', name, '--timeout=60s');
  }

  async function changedSince(before: readonly string[]): Promise<string[]> {
    return (await containers()).split('\n').filter((line, index) => line !== before[index]);
  }

  async function allReady(): Promise<void> {
    await eventually('all pods are ready', async () => (await ready()) === podCount, readyLimitMs);
    await eventually('what runs is what the API shows', async () => {
      const shown = [...(await containers()).matchAll(/containerd:\/\/(\w+)/g)].map(([, id]) => id!);
      const running = runningIds(cluster.id);
      // Beside its containers, each pod has its sandbox.
      const others = [...running].filter((id) => !shown.includes(id));
      if (others.length !== podCount || shown.some((id) => !running.has(id)))
        throw new Error(`${others.length} run that are not shown, of ${shown.length} that are`);
      return true;
    });
  }

  async function ready(): Promise<number> {
    const text = await cluster.kubectl('get', 'pods', '-l', 'app=many', '--no-headers');
    return text.split('\n').filter((line) => /\b(1\/1|2\/2) +Running\b/.test(line)).length;
  }

  /** Whatever is left of the node's pods holds on to a shim. */
  function shims(): string[] {
    const space = readlinkSync(`/proc/${cluster.pidOf('wherry/holder')}/ns/mnt`);
    return globSync('/proc/[0-9]*/ns/mnt')
      .filter((link) => readsAs(link, space))
      .map((link) => textOf(join(link, '../../cmdline')).replaceAll('\0', ' '))
      .filter((command) => command.includes('containerd-shim'));
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

  test('an agent that starts while the server is silent leaves everything as it is, and a pod that ended meanwhile is reported', async () => {
    const before = (await containers()).split('\n');
    const agent = cluster.pidOf('wherry/agent');
    const server = cluster.pidOf('server');
    const first = firstProcessOf(containerIdOf(before, 'p0'));
    process.kill(server, 'SIGSTOP');
    try {
      process.kill(agent, 'SIGKILL');
      process.kill(first, 'SIGKILL');
      await eventually('another agent runs', async () => {
        const next = cluster.pidOf('wherry/agent');
        return next !== agent && existsSync(`/proc/${next}`);
      });
    } finally {
      process.kill(server, 'SIGCONT');
    }
    await eventually('p0 alone was started again', async () => {
      const changed = (await containers()).split('\n').filter((line, index) => line !== before[index]);
      return changed.length === 1 && /^p0 \S+ 1$/.test(changed[0]!);
    });
    await allReady();
  });

  test('a container that ends while the server is silent starts again, with the volumes that the pod has', async () => {
    const before = (await containers()).split('\n');
    const uid = await cluster.kubectl('get', 'pod', 'p5', '-o', 'jsonpath={.metadata.uid}');
    const ended = containerIdOf(before, 'p5');
    const server = cluster.pidOf('server');
    process.kill(server, 'SIGSTOP');
    try {
      process.kill(firstProcessOf(ended), 'SIGKILL');
      await eventually('it runs again', async () => runsAnother(uid, ended));
    } finally {
      process.kill(server, 'SIGCONT');
    }
    await eventually('that is shown', async () => /^p5 \S+ 1$/m.test(await containers()));
    await allReady();
  });

  test("the end of a pod's shim, which holds its containers, ends that pod alone, which restarts", async () => {
    const before = (await containers()).split('\n');
    // With a volume; with a sidecar.
    const struck = ['p2', 'p3'];
    for (const pod of struck) process.kill(parentOf(firstProcessOf(containerIdOf(before, pod))), 'SIGKILL');
    await eventually('they began anew', async () => {
      const changed = (await containers()).split('\n').filter((line, index) => line !== before[index]);
      return changed.length === 2 && changed.every((line) => /^p[23] .* 1( |$)/.test(line));
    });
    await allReady();
  });

  test('a process that is killed within a pod is restarted, that one alone', async () => {
    const before = (await containers()).split('\n');
    process.kill(firstProcessOf(containerIdOf(before, 'p0')), 'SIGTERM');
    await eventually('p0 was started again', async () => /^p0 \S+ 2$/m.test(await containers()));
    await allReady();
    const changed = await changedSince(before);
    assert.equal(changed.length, 1);
  });

  test('a full disk ends no container, nor do agent and containerd that are killed on it; with room again all goes on', async () => {
    const before = (await containers()).split('\n');
    const fill = join(cluster.home, 'fill');
    const takenOver = takeOvers();
    // To the last block: containerd would forget containers whose status it cannot write down when it starts.
    for (const size of ['64k', '4k']) {
      const options = ['if=/dev/zero', `of=${fill}`, `bs=${size}`, 'oflag=append', 'conv=notrunc'];
      const filled = await execute('dd', options);
      assert.match(filled.stderr, /No space left on device/);
    }
    try {
      for (const victim of ['wherry/agent', 'wherry/containerd'])
        process.kill(cluster.pidOf(victim), 'SIGKILL');
      // Its container cannot be created again before there is room.
      process.kill(firstProcessOf(containerIdOf(before, 'p10')), 'SIGKILL');
      await eventually(
        'another containerd has taken the containers over',
        async () => takeOvers() > takenOver,
      );
    } finally {
      rmSync(fill);
    }
    await cluster.up();
    await eventually('p10 alone was started again', async () => {
      const changed = await changedSince(before);
      return changed.length === 1 && /^p10 \S+ 1$/.test(changed[0]!);
    });
    await allReady();
    await podComesAndGoes('after-full-disk');
  });

  /**
   * The hour passes on the agent's clock alone: what of it hangs on timers (back-off, deadlines, leases), a whole node plays
   * under virtual time in test/cluster/server-gone.test.ts.
   */
  test('a server that is gone for an hour of the node’s clock finds all as it was, and what ended meanwhile running again', async () => {
    const before = (await containers()).split('\n');
    const [agent, server, supervisor] = ['wherry/agent', 'server', 'supervisor'].map((part) =>
      cluster.pidOf(part),
    ) as [number, number, number];
    const uid = await cluster.kubectl('get', 'pod', 'p15', '-o', 'jsonpath={.metadata.uid}');
    const ended = containerIdOf(before, 'p15');
    process.kill(supervisor, 'SIGSTOP');
    try {
      process.kill(server, 'SIGKILL');
      await moveClock(agent, hourMs);
      process.kill(firstProcessOf(ended), 'SIGKILL');
      await eventually('it runs again', async () => runsAnother(uid, ended));
    } finally {
      process.kill(supervisor, 'SIGCONT');
    }
    await agentIsAheadBy(hourMs);
    assert.equal(cluster.pidOf('wherry/agent'), agent, 'the agent lived on');
    await eventually('p15 alone was started again', async () => {
      const changed = await changedSince(before);
      return changed.length === 1 && /^p15 \S+ 1$/.test(changed[0]!);
    });
    await allReady();
    await podComesAndGoes('an-hour-ahead');
  });

  test('a clock that is set back by two hours, and right again, restarts no container and holds up no pod', async () => {
    const before = await containers();
    const agent = cluster.pidOf('wherry/agent');
    for (const aheadMs of [-hourMs, 0]) {
      await moveClock(agent, aheadMs);
      await podComesAndGoes('after-jump');
      await agentIsAheadBy(aheadMs);
      await allReady();
    }
    assert.equal(cluster.pidOf('wherry/agent'), agent, 'the agent lived on');
    assert.equal(await containers(), before);
  });

  test('deleted pods leave no file, mount, group, address, route, rule or process', async () => {
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
        ...list('/var/lib/cni/results'),
        ...globSync(`/sys/fs/cgroup/**/wherry/*-${cluster.id}/**/pod*`),
        ...shims(),
        ...mounts.split('\n').filter((line) => line.includes('/kubelet/pods/')),
        ...unreaped(cluster.pidOf('wherry/holder')),
        ...(await network()).filter((line) => !bare.includes(line)),
      ];
      if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
      return true;
    });
    const pids = await cluster.tryWherry('status');
    assert.equal(pids.code, 0, pids.stdout);
  });
});

/** Ended processes of a node that no parent has reaped, by the node's first process. */
function unreaped(holder: number): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => statOf(pid))
    .filter((stat) => stat.includes(`) Z ${holder} `));
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}
