/** What every {@link ContainerRuntime} must do; run it against each implementation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerConfig, SandboxConfig } from './messages.ts';
import type { ContainerRuntime, RuntimeEvent } from './runtime.ts';

export interface RuntimeContractSetup {
  runtime: ContainerRuntime;
  /** An image that exists or can be pulled, with a shell. */
  image: string;
  /** Where sandboxes may write logs. */
  logDirectory: string;
  /** Lets time pass until the promise settles: virtual clocks move, real ones just wait. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

export function describeRuntimeContract(name: string, setup: () => Promise<RuntimeContractSetup>): void {
  const sandboxConfig = (uid: string, logDirectory: string): SandboxConfig => ({
    metadata: { name: 'contract', namespace: 'default', uid, attempt: 0 },
    hostname: 'contract',
    logDirectory,
    labels: { 'io.kubernetes.pod.uid': uid },
  });
  const containerConfig = (image: string, script: string): ContainerConfig => ({
    metadata: { name: 'c', attempt: 0 },
    image: { image },
    command: ['sh', '-c', script],
    labels: { 'io.kubernetes.container.name': 'c' },
    annotations: { hash: 'h' },
    logPath: 'c.log',
  });

  test(`${name}: a container starts, is listed, exits with its code, and the event has it`, async () => {
    const { runtime, image, logDirectory, settle } = await setup();
    const stop = new AbortController();
    const events: RuntimeEvent[] = [];
    let heard: (() => void) | undefined;
    const ready = Promise.withResolvers<void>();
    const following = (async () => {
      for await (const event of runtime.events(stop.signal, ready.resolve)) {
        events.push(event);
        heard?.();
      }
    })();
    await settle(ready.promise);
    if (!(await runtime.imageStatus({ image })))
      await settle(runtime.pullImage({ image }, undefined, undefined));
    assert.match((await runtime.imageSnapshot({ image }))!.chainId, /^sha256:/);
    const sandbox = sandboxConfig('uid-1', logDirectory);
    const sandboxId = await settle(runtime.runPodSandbox(sandbox, ''));
    const config = containerConfig(image, 'sleep 1; exit 3');
    const id = await settle(runtime.createContainer(sandboxId, config, sandbox));
    assert.equal((await runtime.containerStatus(id)).state, 'CONTAINER_CREATED');
    await settle(runtime.startContainer(id));
    const running = await runtime.containerStatus(id);
    assert.equal(running.state, 'CONTAINER_RUNNING');
    assert.equal(running.annotations.hash, 'h');
    const listed = await runtime.listContainers({ labelSelector: { 'io.kubernetes.container.name': 'c' } });
    assert.deepEqual(
      listed.map((container) => container.id),
      [id],
    );
    await settle(
      (async () => {
        while (!events.some((event) => event.type === 'exited' && event.id === id))
          await new Promise<void>((resolve) => {
            heard = resolve;
          });
        while ((await runtime.containerStatus(id)).state !== 'CONTAINER_EXITED')
          await new Promise((resolve) => setImmediate(resolve));
      })(),
    );
    const ended = await runtime.containerStatus(id);
    assert.equal(ended.exitCode, 3);
    assert.equal(ended.reason, 'Error');
    assert.ok(ended.finishedAt >= ended.startedAt);
    stop.abort();
    await following;
    await settle(runtime.stopPodSandbox(sandboxId));
    await settle(runtime.removePodSandbox(sandboxId));
  });

  test(`${name}: a stopped container ends, and a removed sandbox takes its containers along`, async () => {
    const { runtime, image, logDirectory, settle } = await setup();
    if (!(await runtime.imageStatus({ image })))
      await settle(runtime.pullImage({ image }, undefined, undefined));
    const sandbox = sandboxConfig('uid-2', logDirectory);
    const sandboxId = await settle(runtime.runPodSandbox(sandbox, ''));
    const status = await runtime.podSandboxStatus(sandboxId);
    assert.equal(status.state, 'SANDBOX_READY');
    assert.match(status.network?.ip ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    const config = containerConfig(image, 'exec sleep 1000');
    const id = await settle(runtime.createContainer(sandboxId, config, sandbox));
    await settle(runtime.startContainer(id));
    assert.equal((await runtime.execSync(id, ['true'], 5)).exitCode, 0);
    await settle(runtime.stopContainer(id, 0));
    assert.equal((await runtime.containerStatus(id)).exitCode, 137);
    await settle(runtime.stopPodSandbox(sandboxId));
    assert.equal((await runtime.podSandboxStatus(sandboxId)).state, 'SANDBOX_NOTREADY');
    await settle(runtime.removePodSandbox(sandboxId));
    assert.deepEqual(await runtime.listPodSandboxes({ id: sandboxId }), []);
    assert.deepEqual(await runtime.listContainers({ podSandboxId: sandboxId }), []);
  });

  test(`${name}: a sandbox has users of its own if the runtime says that it can`, async (t) => {
    const { runtime, logDirectory, settle } = await setup();
    const { handlers } = await runtime.status();
    if (!handlers.some((handler) => handler.name === '' && handler.userNamespaces))
      return t.skip('the runtime does not offer user namespaces');
    const ids = [{ hostId: 5 * 65_536, containerId: 0, length: 65_536 }];
    const usernsOptions = { mode: 'POD', uids: ids, gids: ids } as const;
    const sandbox: SandboxConfig = {
      ...sandboxConfig('uid-3', logDirectory),
      linux: { securityContext: { namespaceOptions: { pid: 'CONTAINER', usernsOptions } } },
    };
    const sandboxId = await settle(runtime.runPodSandbox(sandbox, ''));
    const status = await runtime.podSandboxStatus(sandboxId);
    assert.deepEqual(status.linux?.namespaces?.options?.usernsOptions, usernsOptions);
    await settle(runtime.stopPodSandbox(sandboxId));
    await settle(runtime.removePodSandbox(sandboxId));
  });

  test(`${name}: what is not there is NotFound, and stopping it succeeds`, async () => {
    const { runtime } = await setup();
    await assert.rejects(runtime.containerStatus('f00'), { code: 'NotFound' });
    await runtime.stopContainer('f00', 0);
    assert.equal(await runtime.imageStatus({ image: '127.0.0.1:1/none:1' }), undefined);
    assert.equal(await runtime.imageSnapshot({ image: '127.0.0.1:1/none:1' }), undefined);
  });
}
