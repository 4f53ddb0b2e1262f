import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type * as core from '../../api/types/core-v1.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { testPod } from '../pod.fixture.ts';
import { networkDialer } from '../probes/network-dialer.ts';
import { runHook } from './lifecycle-hooks.ts';

suite('HTTP hooks', () => {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(request.url === '/missing' ? 404 : 200).end();
  });
  let port = 0;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  const events: string[] = [];
  const clock = new VirtualClock();
  const context = sparse<KubeletContext>({
    clock,
    signal: new AbortController().signal,
    counts: {
      hookFellBack: () => void events.push('counted a fallback'),
      hookSleepCutShort: () => void events.push('counted a short sleep'),
    },
    machine: { dialer: networkDialer },
    recorder: {
      event: (_target: object, _type: string, reason: string, message: string) =>
        void events.push(`${reason} ${message}`),
    },
  });
  const run = (httpGet: core.HTTPGetAction) => {
    const pod = testPod();
    const target = { pod, container: pod.spec.containers[0]!, containerId: 'c-0', podIp: '127.0.0.1' };
    return runHook(context, { httpGet }, target, new AbortController().signal);
  };

  test('any answer means that the request has arrived', async () => {
    await run({ port, path: '/missing' });
    assert.equal(asked.at(-1)?.['user-agent'], 'kube-lifecycle/1.36');
    await run({ port, httpHeaders: [{ name: 'user-agent', value: 'mine' }] });
    assert.equal(asked.at(-1)?.['user-agent'], 'mine');
    const twice = ['1', '2'].map((value) => ({ name: 'X-Twice', value }));
    await run({ port, httpHeaders: twice });
    assert.equal(asked.at(-1)?.['x-twice'], '1, 2');
  });

  test('an address that does not answer is named in upstream’s words', async () => {
    const { uid } = testPod().metadata;
    await assert.rejects(run({ port: 1, path: '/ready' }), {
      message: `HTTP lifecycle hook (/ready) for Container "c" in Pod "p_ns(${uid})" failed - error: Get "http://127.0.0.1:1/ready": dial tcp 127.0.0.1:1: connect: connection refused`,
    });
  });

  test('a port by a name that the container does not have is no number either', async () => {
    const { uid } = testPod().metadata;
    await assert.rejects(run({ port: 'nope', path: '/ready' }), {
      message: `HTTP lifecycle hook (/ready) for Container "c" in Pod "p_ns(${uid})" failed - error: strconv.Atoi: parsing "nope": invalid syntax`,
    });
  });

  test('a server that speaks only HTTP is called nevertheless, without credentials, and with an event', async () => {
    const httpHeaders = [
      { name: 'Authorization', value: 'secret' },
      { name: 'X-Other', value: 'kept' },
    ];
    await run({ port, scheme: 'HTTPS', httpHeaders });
    assert.equal(asked.at(-1)?.authorization, undefined);
    assert.equal(asked.at(-1)?.['x-other'], 'kept');
    assert.deepEqual(events.splice(0), [
      'counted a fallback',
      `LifecycleHTTPFallback request to HTTPS lifecycle hook 127.0.0.1:${port} got HTTP response, retry with HTTP succeeded`,
    ]);
  });

  test('a sleep that the end of the container cuts short is counted, and one that is over is not', async () => {
    const pod = testPod();
    const target = { pod, container: pod.spec.containers[0]!, containerId: 'c-0', podIp: '127.0.0.1' };
    const stop = new AbortController();
    const slept = runHook(context, { sleep: { seconds: 5 } }, target, stop.signal);
    await clock.advance(5000);
    await slept;
    assert.deepEqual(events, []);
    const cut = runHook(context, { sleep: { seconds: 5 } }, target, stop.signal).catch(() => undefined);
    stop.abort();
    await cut;
    assert.deepEqual(events, ['counted a short sleep']);
  });
});

test('a command that fails, or that cannot be run, is named with what it printed', async () => {
  const pod = testPod();
  const { uid } = pod.metadata;
  const target = { pod, container: pod.spec.containers[0]!, containerId: 'c-0', podIp: '127.0.0.1' };
  const run = (execSync: ContainerRuntime['execSync'], command: string[]) =>
    runHook(
      sparse<KubeletContext>({ runtime: { execSync } }),
      { exec: { command } },
      target,
      new AbortController().signal,
    );
  const about = (words: string) =>
    `Exec lifecycle hook ([${words}]) for Container "c" in Pod "p_ns(${uid})" failed - error:`;
  const output = { stdout: Buffer.from('out\n'), stderr: Buffer.from('"no"\u0001'), exitCode: 4 };
  await assert.rejects(
    run(async () => output, ['sh', '-c', 'exit 4']),
    {
      message: `${about('sh -c exit 4')} command 'sh -c exit 4' exited with 4: "no"\u0001, message: ${String.raw`"out\n\"no\"\x01"`}`,
    },
  );
  await assert.rejects(
    run(() => Promise.reject(new RuntimeError('Unknown', 'no such file')), ['/nope']),
    { message: `${about('/nope')} rpc error: code = Unknown desc = no such file, message: ""` },
  );
});
