import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeBusyboxImage } from './images.ts';
import { execute, leftovers, TestCluster } from './test-cluster.ts';

suite('the life of clusters', () => {
  const first = new TestCluster();
  const second = new TestCluster('second', first);
  const ids: string[] = [];

  before(() => {
    writeFileSync(
      first.kubeconfig,
      `# my own
apiVersion: v1
kind: Config
clusters:
- {name: work, cluster: {server: https://work.example}}
users: []
contexts:
- {name: work, context: {cluster: work, user: me}}
current-context: work
`,
    );
  });
  after(async () => {
    await second.delete();
    await first.delete();
  });

  test('up makes a cluster whose node is Ready, and status says so with its exit code', async () => {
    assert.equal((await first.tryWherry('status')).code, 1);
    await first.up();
    ids.push(first.id);
    const status = await first.tryWherry('status');
    assert.equal(status.code, 0, status.stdout);
    assert.match(await first.kubectl('get', 'nodes'), /^wherry +Ready/m);
  });

  test('an image whose archive names it in short is kept, used and removed by its full name', async () => {
    const archive = join(first.home, 'short.tar');
    await writeBusyboxImage(archive, ['short/busybox:1', 'plain']);
    assert.equal(
      await first.wherry('image', 'load', archive),
      'loaded docker.io/short/busybox:1\nloaded docker.io/library/plain:latest\n',
    );
    const run = ['run', 'short', '--image=short/busybox:1', '--image-pull-policy=Never', '--restart=Never'];
    await first.kubectl(...run, '--', 'sleep', '3600');
    await first.kubectl('wait', 'pod/short', '--for=condition=Ready', '--timeout=60s');
    await first.kubectl('delete', 'pod', 'short', '--now');
    await first.wherry('image', 'remove', 'short/busybox:1');
    await first.wherry('image', 'remove', 'plain');
    assert.doesNotMatch(await first.wherry('image', 'list'), /short|plain/);
  });

  test('the agent shares its processor time neither with what containerd starts nor with pods', () => {
    const groupsOf = (process: string) =>
      readFileSync(`/proc/${first.pidOf(process)}/cgroup`, 'utf8')
        .trim()
        .split('\n');
    for (const line of groupsOf('wherry/agent')) assert.match(line, /\/wherry\/agent$/);
    for (const line of groupsOf('wherry/containerd')) assert.match(line, /\/wherry\/system$/);
  });

  test('tools on the node find its agent as the process kubelet', async () => {
    const holder = first.pidOf('wherry/holder');
    const agent = first.pidOf('wherry/agent');
    const own = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${agent}/status`, 'utf8'))?.[1];
    const enter = ['--mount', '--pid', '--target', `${holder}`, '--'];
    for (const finder of [['pidof'], ['busybox', 'pidof']])
      assert.equal(
        (await execute('nsenter', [...enter, ...finder, 'kubelet'])).stdout,
        `${own}\n`,
        finder[0],
      );
    assert.equal(readFileSync(`/proc/${agent}/comm`, 'utf8'), 'kubelet\n');
    assert.match(readFileSync(`/proc/${agent}/cmdline`, 'latin1'), /\/run\/kubelet\0.*agent-config\.json\0$/);
  });

  test('the kubeconfig keeps what was in it, has the new context as current, and is for its owner only', async () => {
    const text = readFileSync(first.kubeconfig, 'utf8');
    assert.match(text, /# my own/);
    assert.match(text, /https:\/\/work\.example/);
    assert.match(text, /current-context: wherry/);
    assert.equal(statSync(first.kubeconfig).mode & 0o077, 0);
  });

  test('up on a cluster that runs changes nothing', async () => {
    const processes = ['server', 'wherry/agent', 'wherry/containerd', 'wherry/holder'];
    const pids = processes.map((process) => first.pidOf(process));
    const config = readFileSync(first.kubeconfig, 'utf8');
    await first.up();
    assert.deepEqual(
      processes.map((process) => first.pidOf(process)),
      pids,
    );
    assert.equal(readFileSync(first.kubeconfig, 'utf8'), config);
  });

  test('up with other settings restarts what they concern, and what its containers run in stays', async () => {
    const processes = ['server', 'wherry/containerd', 'wherry/holder'];
    const pidsOf = () => processes.map((process) => first.pidOf(process));
    const [kept, agent] = [pidsOf(), first.pidOf('wherry/agent')];
    const file = join(first.home, 'kubelet.yaml');
    writeFileSync(
      file,
      'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 50\n',
    );
    await first.up('--kubelet-config', file);
    assert.deepEqual(pidsOf(), kept);
    assert.notEqual(first.pidOf('wherry/agent'), agent);
    assert.equal(await first.kubectl('get', 'nodes', '-o', 'jsonpath={..capacity.pods}'), '50');
  });

  test('up by a newer Wherry restarts a containerd that is configured otherwise, and its containers run on', async () => {
    await first.kubectl('run', 'kept', '--image=wherry.local/pause:1');
    await first.kubectl('wait', '--for=condition=Ready', 'pod/kept', '--timeout=60s');
    const started = ['get', 'pod', 'kept', '-o', 'jsonpath={..startedAt}:{..restartCount}'];
    const before = await first.kubectl(...started);
    const [holder, containerd] = [first.pidOf('wherry/holder'), first.pidOf('wherry/containerd')];
    const file = join(first.folder, 'nodes/wherry/etc/containerd.toml');
    writeFileSync(file, `# of an older version\n${readFileSync(file, 'utf8')}`);
    await first.up();
    assert.equal(first.pidOf('wherry/holder'), holder);
    assert.notEqual(first.pidOf('wherry/containerd'), containerd);
    assert.equal(await first.kubectl(...started), before);
    await first.kubectl('delete', 'pod', 'kept');
  });

  test('up registers a node again whose object was deleted, at once, and what it runs on stays', async () => {
    const processes = ['server', 'wherry/containerd', 'wherry/holder'];
    const pids = processes.map((process) => first.pidOf(process));
    await first.kubectl('delete', 'node', 'wherry');
    const began = performance.now();
    await first.up();
    // By itself the agent looks after five minutes, and `up` gives up after three.
    assert.ok(performance.now() - began < 60_000);
    assert.match(await first.kubectl('get', 'nodes'), /^wherry +Ready/m);
    assert.deepEqual(
      processes.map((process) => first.pidOf(process)),
      pids,
    );
  });

  test('a second cluster of another name runs beside the first, with objects of its own', async () => {
    await second.up();
    ids.push(second.id);
    await second.kubectl('create', 'configmap', 'only-here');
    assert.equal((await first.tryKubectl(['get', 'configmap', 'only-here'])).code, 1);
    assert.match(await first.kubectl('get', 'nodes'), /^wherry +Ready/m);
    assert.match(await second.kubectl('get', 'nodes'), /^second +Ready/m);
  });

  test('down leaves nothing on the machine, and up brings back the same objects', async () => {
    await first.kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    const uid = await first.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}');
    await first.wherry('down');
    assert.deepEqual(leftovers(ids[0]!, first.folder), []);
    assert.equal((await first.tryWherry('status')).code, 1);
    assert.match(await second.kubectl('get', 'nodes'), /Ready/);
    await first.up();
    assert.equal(await first.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}'), uid);
  });

  test('delete leaves nothing on the machine and takes its own context out of the kubeconfig', async () => {
    await second.wherry('delete', '--name', 'second');
    assert.deepEqual(leftovers(ids[1]!, second.folder), []);
    const text = readFileSync(first.kubeconfig, 'utf8');
    assert.doesNotMatch(text, /wherry-second/);
    assert.match(text, /name: wherry$/m);
    await first.wherry('delete');
    assert.deepEqual(leftovers(ids[0]!, first.folder), []);
    assert.match(readFileSync(first.kubeconfig, 'utf8'), /https:\/\/work\.example/);
  });
});
