import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import type * as core from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { testPod } from '../pod.fixture.ts';
import type { HttpAnswer } from './dialer.ts';
import { networkDialer } from './network-dialer.ts';
import { ProbeManager } from './probe-manager.ts';
import { runProbe } from './probe-run.ts';

function setup(container: Partial<core.Container>) {
  const clock = new VirtualClock();
  const events: string[] = [];
  const state = {
    healthy: true,
    changes: 0,
    runs: 0,
    answer: () => Promise.resolve(),
    http: { status: 200, body: '' } as HttpAnswer,
  };
  const pod = testPod({ containers: [{ name: 'c', ...container }] });
  const manager = new ProbeManager({
    clock,
    runtime: {} as ContainerRuntime,
    dialer: {
      http: async () => state.http,
      tcp: async () => {
        state.runs++;
        await state.answer();
        return state.healthy ? undefined : 'connect: connection refused';
      },
      grpc: async () => undefined,
    },
    recorder: {
      event: (_about: unknown, _type: unknown, reason: string, message: string) =>
        void events.push(`${reason}: ${message}`),
    } as EventRecorder,
    changed: () => void state.changes++,
  });
  const only = pod.spec.containers[0]!;
  manager.sync(pod, '10.244.0.5', [{ container: only, id: 'id', startedAtMs: clock.now() }]);
  return { clock, events, state, manager, container: only };
}

test('a port by a name that the container does not have is no number either', async () => {
  const { clock, events } = setup({
    ports: [{ name: 'web', containerPort: 80 }],
    readinessProbe: { tcpSocket: { port: 'nope' }, periodSeconds: 1 },
  });
  await clock.advance(0);
  assert.equal(
    events[0],
    'Unhealthy: Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "nope": invalid syntax',
  );
});

const tcp = { tcpSocket: { port: 80 }, periodSeconds: 1 };

test('a container is ready once its probe has succeeded, until the failure threshold is reached', async () => {
  const { clock, events, state, manager, container } = setup({
    readinessProbe: { ...tcp, failureThreshold: 2 },
  });
  assert.equal(manager.isReady(container, 'id'), false);
  await clock.advance(0);
  assert.equal(manager.isReady(container, 'id'), true);
  state.healthy = false;
  await clock.advance(1000);
  assert.equal(manager.isReady(container, 'id'), true);
  await clock.advance(1000);
  assert.equal(manager.isReady(container, 'id'), false);
  assert.equal(
    events[0],
    'Unhealthy: Readiness probe failed: dial tcp 10.244.0.5:80: connect: connection refused',
  );
  assert.equal(state.changes, 2);
});

test('the first probe comes after the initial delay', async () => {
  const { clock, state } = setup({ livenessProbe: { ...tcp, initialDelaySeconds: 5 } });
  await clock.advance(4900);
  assert.equal(state.runs, 0);
  await clock.advance(200);
  assert.equal(state.runs, 1);
});

test('liveness waits for the startup probe, which ends with its first success', async () => {
  const { clock, state, manager, container } = setup({
    startupProbe: { ...tcp, failureThreshold: 5 },
    livenessProbe: { ...tcp, failureThreshold: 1 },
  });
  state.healthy = false;
  await clock.advance(3500);
  assert.equal(manager.isStarted(container, 'id'), false);
  assert.deepEqual(manager.findings('id'), {});
  state.healthy = true;
  await clock.advance(1000);
  assert.equal(manager.isStarted(container, 'id'), true);
  state.healthy = false;
  await clock.advance(1000);
  assert.equal(manager.findings('id').liveness, 'failure');
});

test('a container that has failed to be alive, or to start, is not asked again', async () => {
  for (const probe of ['livenessProbe', 'startupProbe']) {
    const { clock, events, state } = setup({ [probe]: { ...tcp, failureThreshold: 2 } });
    state.healthy = false;
    await clock.advance(1100);
    assert.deepEqual([state.runs, state.changes], [2, 1]);
    await clock.advance(5000);
    assert.equal(state.runs, 2);
    assert.equal(events.length, 2);
  }
});

test('a container that was ready before the agent restarted stays ready until a probe fails', async () => {
  const { clock, state, manager, container } = setup({
    readinessProbe: { ...tcp, failureThreshold: 1, initialDelaySeconds: 1 },
  });
  manager.adopt('id', { started: true, ready: true });
  assert.equal(manager.isReady(container, 'id'), true);
  state.healthy = false;
  await clock.advance(1100);
  assert.equal(manager.isReady(container, 'id'), false);
});

test('over the network: statuses, redirects, refusals and timeouts in the words that users know', async (context) => {
  let rounds = 0;
  const server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end();
    else if (request.url === '/away')
      response.writeHead(302, { location: 'http://other.example/' }).end('elsewhere');
    else if (request.url === '/bad') response.writeHead(503).end();
    else if (request.url === '/choice') response.writeHead(300, { location: '/ok' }).end('choose');
    else if (request.url === '/round') response.writeHead(302, { location: `/round` }).end(`${++rounds}`);
    else if (request.url === '/later')
      setTimeout(() => response.writeHead(302, { location: '/later' }).end(), 30);
    else if (request.url === '/endless') response.write('and so on');
    else if (request.url === '/torn') response.write('and', () => response.destroy());
    else if (request.url !== '/slow') response.end(request.headers['x-test'] ?? 'fine');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const get = (path: string, timeoutMs = 1000) =>
    networkDialer.http(
      {
        scheme: 'http',
        host: '127.0.0.1',
        port,
        path,
        headers: [{ name: 'X-Test', value: 'echoed' }],
        timeoutMs,
      },
      '',
    );
  assert.deepEqual(await get('/ok'), { status: 200, body: 'echoed' });
  assert.deepEqual(await get('/moved'), { status: 200, body: 'echoed' });
  assert.deepEqual(await get('/away'), { status: 302, body: 'elsewhere' });
  assert.equal(((await get('/bad')) as { status: number }).status, 503);
  assert.deepEqual(await get('/choice'), { status: 300, body: 'choose' });
  assert.deepEqual(await get('/round'), { error: 'Get "/round": stopped after 10 redirects' });
  assert.equal(rounds, 10);
  assert.match(((await get('/later', 100)) as { error: string }).error, /context deadline exceeded/);
  assert.deepEqual(await get('/endless', 500), {
    error: 'context deadline exceeded (Client.Timeout or context cancellation while reading body)',
    hasBegun: true,
  });
  assert.deepEqual(await get('/torn'), { error: 'unexpected EOF', hasBegun: true });
  assert.deepEqual(await get('/slow', 50), {
    error: `Get "http://127.0.0.1:${port}/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  });
});

test("characters that HTTP does not allow are escaped, or fail the probe in upstream's words", async (context) => {
  const server = createServer((request, response) => {
    if (request.url === '/astray') response.writeHead(302, { location: 'http://[' }).end();
    else response.end(`${request.url} ${Buffer.from(request.headers['x-test'] as string, 'latin1')}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  const { port } = server.address() as { port: number };
  const get = (path: string, value: string) =>
    networkDialer.http(
      {
        scheme: 'http',
        host: '127.0.0.1',
        port,
        path,
        headers: [{ name: 'X-Test', value }],
        timeoutMs: 1000,
      },
      '',
    );
  const url = `http://127.0.0.1:${port}`;
  assert.deepEqual(await get('/a b/é?q=%20x', 'plain'), {
    status: 200,
    body: '/a%20b/%C3%A9?q=%20x plain',
  });
  assert.deepEqual(await get('/', '日本'), { status: 200, body: '/ 日本' });
  assert.deepEqual(await get('/', 'one\ntwo'), {
    error: `Get "${url}/": net/http: invalid header field value for "X-Test"`,
  });
  assert.deepEqual(await get('/astray', ''), {
    error: `Get "${url}/astray": failed to parse Location header "http://["`,
  });
});

test('a probe that cannot be carried out is reported, and tried again', async () => {
  const { clock, events, state } = setup({ readinessProbe: tcp });
  state.answer = () => Promise.reject(new Error('no such thing'));
  await clock.advance(0);
  assert.deepEqual(events, [
    'Unhealthy: Readiness probe errored and resulted in unknown state: no such thing',
  ]);
  state.answer = () => Promise.resolve();
  await clock.advance(1000);
  assert.equal(state.runs, 2);
});

test('a liveness probe that was under way when its pod began to end is the last', async () => {
  const { clock, events, state, manager } = setup({ livenessProbe: tcp });
  const { promise, resolve } = Promise.withResolvers<void>();
  state.answer = () => promise;
  state.healthy = false;
  await clock.advance(0);
  manager.stopRestartingProbes(testPod({}).metadata.uid);
  resolve();
  await clock.advance(5000);
  assert.deepEqual([state.runs, events], [1, []]);
});

test('a port without a listener refuses', async () => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const target = { host: '127.0.0.1', port, timeoutMs: 1000 };
  assert.equal(await networkDialer.tcp(target, ''), undefined);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await networkDialer.tcp(target, ''), 'connect: connection refused');
});

test('a command that takes too long is named between quotes', async () => {
  const { pod, container } = { pod: testPod(), container: { name: 'c' } };
  const target = { pod, container, containerId: 'id', podIp: '10.244.0.5' };
  const runtime = sparse<ContainerRuntime>({
    execSync: () => Promise.reject(new RuntimeError('DeadlineExceeded', 'late')),
  });
  assert.deepEqual(
    await runProbe({ exec: { command: ['sh', '-c', 'echo "x"'] } }, target, runtime, networkDialer),
    { result: 'failure', output: String.raw`command timed out: "sh -c echo \"x\"" timed out after 1s` },
  );
});

test('an answer that does not end is no result', async () => {
  const { clock, events, state, manager, container } = setup({
    livenessProbe: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 1 },
  });
  state.http = { error: 'unexpected EOF', hasBegun: true };
  await clock.advance(0);
  assert.deepEqual(events, [
    'Unhealthy: Liveness probe errored and resulted in failure state: unexpected EOF',
  ]);
  assert.deepEqual(manager.findings('id'), {});
  assert.equal(manager.isReady(container, 'id'), true);
});
