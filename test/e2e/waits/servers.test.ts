import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { etcdInstalled } from '../../../src/storage/etcd/etcd-cluster.fixture.ts';
import { writeWebImage } from '../images.ts';
import { Machines } from '../machines.ts';
import { eventually, execute, expectSuccess, root } from '../test-cluster.ts';

const testTimeoutMs = 120_000;
const skip = etcdInstalled() ? false : 'etcd is not installed (Debian: etcd-server)';

suite('two servers on one etcd', { skip }, () => {
  const machines = new Machines();
  const etcd = `http://${machines.linkAddress}:2379`;
  const url = (server: Server) => `https://${machines.address(server === 'first' ? 0 : 1)}:6443`;
  type Server = 'first' | 'second';
  const kubectl = (server: Server, ...args: string[]) =>
    expectSuccess(machines.run(server, 'kubectl', args), `${server}: kubectl ${args.join(' ')}`);
  const startServer = (server: Server, ...args: string[]) =>
    machines.start(server, [
      'server',
      '--address',
      machines.address(server === 'first' ? 0 : 1),
      '--etcd-endpoints',
      etcd,
      ...args,
    ]);
  const isReady = (server: Server) =>
    eventually(`${server} is ready`, async () => (await kubectl(server, 'get', '--raw', '/readyz')) === 'ok');
  const serversOf = async (server: Server) =>
    (
      await kubectl(server, 'get', 'endpoints', 'kubernetes', '-o', 'jsonpath={.subsets[*].addresses[*].ip}')
    ).split(' ');

  before(async () => {
    await machines.create(['first', 'second', 'one']);
    const peers = `http://${machines.linkAddress}:2380`;
    machines.startProgram('link', 'etcd', [
      ...['--data-dir', join(machines.home, 'etcd')],
      ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--initial-cluster', `default=${peers}`],
    ]);
    const health = `fetch('${etcd}/health').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))`;
    await eventually(
      'etcd answers',
      async () => (await machines.run('link', process.execPath, ['-e', health])).code === 0,
    );
    const first = startServer('first');
    const [agentToken, serverToken] = await eventually('the first server prints two tokens', async () => {
      const tokens = [...first.said().matchAll(/--token (\S+)/g)].map((match) => match[1]!);
      return tokens.length === 2 ? tokens : undefined;
    });
    startServer('second', '--token', serverToken!);
    await isReady('first');
    machines.start('one', ['agent', '--server', url('first'), '--token', agentToken!, '--node', 'one']);
    await isReady('second');
  });
  after(() => machines.delete());

  test('a server without the token explains what to do', { timeout: testTimeoutMs }, async () => {
    const wherry = join(root, 'wherry');
    const args = ['server', '--address', machines.address(2), '--etcd-endpoints', etcd];
    const none = await machines.run('one', wherry, args);
    assert.match(none.stderr, /the cluster in this etcd has servers already[\s\S]*--token TOKEN/);
    const wrong = await machines.run('one', wherry, [...args, '--token', '0123456789abcdef0123456789abcdef']);
    assert.match(wrong.stderr, /the token is not the one of the cluster/);
    assert.deepEqual([none.code, wrong.code], [1, 1]);
  });

  test('both serve one cluster: its objects, its secrets, its tokens', {
    timeout: testTimeoutMs,
  }, async () => {
    await eventually('the service leads to both', async () => (await serversOf('first')).length === 2);
    await kubectl('first', 'create', 'secret', 'generic', 'shared', '--from-literal=key=value');
    assert.equal(
      await kubectl('second', 'get', 'secret', 'shared', '-o', 'jsonpath={.data.key}'),
      Buffer.from('value').toString('base64'),
    );
    const stored = await execute('grep', [
      '-rqa',
      Buffer.from('value').toString('base64'),
      join(machines.home, 'etcd'),
    ]);
    assert.equal(stored.code, 1, 'secrets are not stored as they are');
    const token = (await kubectl('first', 'create', 'token', 'default')).trim();
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const args = ['create', '-f', '-', '-o', 'jsonpath={.status.user.username}'];
    const user = await expectSuccess(
      machines.run('second', 'kubectl', args, JSON.stringify(review)),
      'kubectl create tokenreview',
    );
    assert.equal(user, 'system:serviceaccount:default:default');
  });

  test('kill -9 of either: the node stays Ready, rollouts and watches go on', {
    timeout: 2 * testTimeoutMs,
  }, async () => {
    const archive = join(machines.home, 'web.tar');
    await writeWebImage(archive, { names: ['test.local/web:1'], port: 8080, script: 'hostname' });
    await machines.loadImage('one', archive);
    await eventually('the node has joined', () => kubectl('first', 'get', 'node', 'one'));
    await kubectl('first', 'wait', '--for=condition=Ready', 'node/one', '--timeout=60s');
    await kubectl('first', 'create', 'deployment', 'web', '--image=test.local/web:1');
    await kubectl('first', 'rollout', 'status', 'deployment', 'web', '--timeout=60s');

    for (const [dies, stays] of [
      ['first', 'second'],
      ['second', 'first'],
    ] as const) {
      await machines.kill(dies);
      const changed = `${dies}-died`;
      await kubectl(stays, 'set', 'env', 'deployment', 'web', `WHO=${changed}`);
      await kubectl(stays, 'rollout', 'status', 'deployment', 'web', '--timeout=60s');
      await kubectl(stays, 'wait', '--for=condition=Ready', 'node/one', '--timeout=1s');
      await eventually('the new pod answers', async () => {
        const who = await kubectl(stays, 'exec', 'deployment/web', '--', 'sh', '-c', 'echo $WHO');
        return who.trim() === changed;
      });
      await eventually('the service leads to the one that lives', async () => {
        const servers = await serversOf(stays);
        return servers.length === 1;
      });
      startServer(dies);
      await isReady(dies);
      await eventually('the service leads to both again', async () => (await serversOf(dies)).length === 2);
    }
    const transitions = await kubectl(
      'first',
      'get',
      'node',
      'one',
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Ready")].lastTransitionTime} {.metadata.creationTimestamp}',
    );
    const [becameReady, joined] = transitions.split(' ').map((time) => Date.parse(time));
    assert.ok(becameReady! - joined! < 30_000, 'the node was Ready all the time');
  });
});
