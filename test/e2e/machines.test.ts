import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { writeWebImage } from './images.ts';
import { Machines } from './machines.ts';
import { eventually, expectSuccess, root } from './test-cluster.ts';

const testTimeoutMs = 90_000;

suite('a cluster of several machines', () => {
  const machines = new Machines();
  let token = '';
  const url = `https://${machines.address(0)}:6443`;
  const kubectl = (...args: string[]) =>
    expectSuccess(machines.run('server', 'kubectl', args), `kubectl ${args.join(' ')}`);
  const joinAs = (machine: string) =>
    machines.start(machine, ['agent', '--server', url, '--token', token, '--node', machine]);

  before(async () => {
    await machines.create(['server', 'one', 'two']);
    const server = machines.start('server', ['server', '--address', machines.address(0)]);
    token = await eventually(
      'the server prints a token',
      async () => /--token (\S+)/.exec(server.said())?.[1],
    );
    await eventually('the server is ready', async () => (await kubectl('get', '--raw', '/readyz')) === 'ok');
  });
  after(() => machines.delete());

  test('a token of another cluster, or an invented one, is refused', {
    timeout: testTimeoutMs,
  }, async () => {
    const attempt = (wrong: string) =>
      machines.run('one', join(root, 'wherry'), [
        'agent',
        '--server',
        url,
        '--token',
        wrong,
        '--node',
        'one',
      ]);
    const otherPin = await attempt(token.replace(/^sha256:..../, 'sha256:0000'));
    assert.equal(otherPin.code, 1);
    assert.match(otherPin.stderr, /is not of the cluster that the token is for/);
    const otherSecret = await attempt(token.replace(/.{8}$/, '00000000'));
    assert.equal(otherSecret.code, 1);
    assert.match(otherSecret.stderr, /Unauthorized/);
    assert.equal((await kubectl('get', 'nodes', '-o', 'name')).trim(), '');
  });

  test('two machines join with the token, and become Ready', { timeout: testTimeoutMs }, async () => {
    joinAs('one');
    joinAs('two');
    await eventually(
      'both are Ready',
      async () => ((await kubectl('get', 'nodes')).match(/ Ready/g) ?? []).length === 2,
    );
    const requests = await kubectl('get', 'csr');
    assert.equal((requests.match(/Approved,Issued/g) ?? []).length, 4, requests);
  });

  test('pods on both reach each other and a Service, and their logs are read', {
    timeout: testTimeoutMs,
  }, async () => {
    const archive = join(machines.home, 'web.tar');
    await writeWebImage(archive, { names: ['test.local/web:1'], port: 8080, script: 'hostname' });
    for (const machine of ['one', 'two']) await machines.loadImage(machine, archive);
    const manifest = ['one', 'two'].map(
      (node) => `apiVersion: v1
kind: Pod
metadata: {name: web-${node}, labels: {app: web}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: 'test.local/web:1'}]
`,
    );
    await expectSuccess(
      machines.run('server', 'kubectl', ['apply', '-f', '-'], manifest.join('---\n')),
      'kubectl apply',
    );
    await kubectl('wait', '--for=condition=Ready', 'pod/web-one', 'pod/web-two', '--timeout=60s');
    await kubectl('expose', 'pod', 'web-two', '--port=80', '--target-port=8080', '--name=web');
    const other = await kubectl('get', 'pod', 'web-two', '-o', 'jsonpath={.status.podIP}');
    const ask = (to: string) => kubectl('exec', 'web-one', '--', 'wget', '-q', '-O', '-', to);
    assert.equal(await ask(`http://${other}:8080`), 'web-two\n');
    await eventually('the Service answers by name', async () => (await ask('http://web')) === 'web-two\n');
    await eventually('it has logged that it serves', async () =>
      (await kubectl('logs', 'web-two')).includes('serving on port 8080'),
    );
  });

  test('dead processes of a machine are started again, and its containers keep running', {
    timeout: testTimeoutMs,
  }, async () => {
    const container = () =>
      kubectl('get', 'pod', 'web-two', '-o', 'jsonpath={.status.containerStatuses[0].containerID}');
    const before = await container();
    for (const part of ['agent', 'containerd'] as const) {
      const pid = await eventually(`the ${part} runs`, async () => machines.pidOf('two', part));
      process.kill(Number(pid), 'SIGKILL');
      await eventually(`another ${part} runs`, async () => {
        const now = await machines.pidOf('two', part);
        return now !== undefined && now !== pid;
      });
      await eventually('its log is read', async () =>
        (await kubectl('logs', 'web-two')).includes('serving on port 8080'),
      );
    }
    assert.equal(await container(), before);
  });

  test('a machine whose agent ends leaves nothing running, and comes back under its old name', {
    timeout: testTimeoutMs,
  }, async () => {
    await machines.stop('two');
    assert.equal(await machines.holderOf('two'), undefined);
    joinAs('two');
    await kubectl('wait', '--for=condition=Ready', 'pod/web-two', '--timeout=60s');
    assert.equal((await kubectl('get', 'nodes', '-o', 'name')).trim(), 'node/one\nnode/two');
  });
});
