import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { silentLogger } from '../../../base/logger.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { KubeletContext } from '../../context.ts';
import { observedPod, testContainer, testPod } from '../../pod.fixture.ts';
import { PodEnd } from './pod-end.ts';
import { stopAllContainers } from './pod-termination.ts';

/** Containers end `takesMs` after their signal, and at the latest when their time is up. */
function setup(takesMs: Record<string, number>) {
  const clock = new VirtualClock();
  const log: string[] = [];
  const note = (text: string) => void log.push(`${clock.now() / 1000} ${text}`);
  const stop = new AbortController();
  const context = sparse<KubeletContext>({
    clock,
    logger: silentLogger,
    signal: stop.signal,
    recorder: { event: (_target: object, _type: string, reason: string) => note(reason) },
    runtime: {
      async stopContainer(id: string, seconds: number) {
        const name = id.replace('-0', '');
        note(`TERM ${name} ${seconds}`);
        await clock.sleep(Math.min(takesMs[name] ?? 0, seconds * 1000));
        note(`ended ${name}`);
      },
    },
  });
  return { clock, log, context, stop };
}

const sleepHook = (seconds: number) => ({ lifecycle: { preStop: { sleep: { seconds } } } });
const sidecar = (name: string, extra: Partial<core.Container> = {}): core.Container => ({
  name,
  restartPolicy: 'Always',
  ...extra,
});

test('hooks run at once, sidecars get their signal in the reverse of their order after the regular containers', async () => {
  const { clock, log, context } = setup({ main: 2000, s1: 500, s2: 1000 });
  const start = clock.now() / 1000;
  const pod = testPod({
    initContainers: [sidecar('s1'), sidecar('s2', sleepHook(5))],
    containers: [{ name: 'main', ...sleepHook(1) }],
  });
  const observed = observedPod(...['main', 's1', 's2'].map((name) => testContainer(name)));
  const done = stopAllContainers(context, pod, observed, {
    graceSeconds: 30,
    cuts: new PodEnd().cuts,
  });
  await clock.advance(20_000);
  await done;
  const at = (seconds: number, text: string) => `${start + seconds} ${text}`;
  assert.deepEqual(log, [
    at(0, 'Killing'),
    at(0, 'Killing'),
    at(0, 'Killing'),
    at(1, 'TERM main 29'),
    at(3, 'ended main'),
    at(5, 'TERM s2 25'),
    at(6, 'ended s2'),
    at(6, 'TERM s1 24'),
    at(6.5, 'ended s1'),
  ]);
});

test('a container that waits longer than the grace period gets two seconds more, whatever still runs', async () => {
  const { clock, log, context } = setup({ main: 60_000, s1: 60_000, s2: 60_000 });
  const pod = testPod({ initContainers: [sidecar('s1'), sidecar('s2')], containers: [{ name: 'main' }] });
  const observed = observedPod(...['main', 's1', 's2'].map((name) => testContainer(name)));
  const done = stopAllContainers(context, pod, observed, {
    graceSeconds: 10,
    cuts: new PodEnd().cuts,
  });
  await clock.advance(60_000);
  await done;
  const signals = log.filter((line) => line.includes('TERM')).map((line) => line.replace(/^\S+ /, ''));
  assert.deepEqual(signals, ['TERM main 10', 'TERM s2 2', 'TERM s1 2']);
});

test('a grace period that is cut short counts from then on, for hooks, turns and signals alike', async () => {
  const { clock, log, context } = setup({ main: 60_000, s1: 60_000 });
  const start = clock.now() / 1000;
  const end = new PodEnd();
  const pod = testPod({ initContainers: [sidecar('s1', sleepHook(20))], containers: [{ name: 'main' }] });
  const observed = observedPod(testContainer('main'), testContainer('s1'));
  const done = stopAllContainers(context, pod, observed, { graceSeconds: 30, cuts: end.cuts });
  await clock.advance(1000);
  end.noteDeletion(10);
  await clock.advance(2000);
  end.noteDeletion(4);
  await clock.advance(60_000);
  await done;
  const signals = log.filter((line) => line.includes('TERM'));
  assert.deepEqual(signals, [`${start} TERM main 30`, `${start + 7} TERM main 0`, `${start + 7} TERM s1 2`]);
});

test('however short its grace, a container has two seconds after its signal', async () => {
  const { clock, log, context } = setup({ main: 60_000 });
  const main = { name: 'main', ...sleepHook(20) };
  const stop = (graceSeconds: number) => {
    const pod = testPod({ containers: [main] });
    const { cuts } = new PodEnd();
    return stopAllContainers(context, pod, observedPod(testContainer('main')), { graceSeconds, cuts });
  };
  const start = clock.now() / 1000;
  const done = Promise.all([stop(0), stop(1)]);
  await clock.advance(60_000);
  await done;
  const signals = log.filter((line) => line.includes('TERM'));
  assert.deepEqual(signals, [`${start} TERM main 2`, `${start + 1} TERM main 2`]);
});

test('a hook command that outlasts the grace period is reported when its container has ended', async () => {
  const { clock, log, context } = setup({ main: 500 });
  const ended = Promise.withResolvers<never>();
  context.runtime.execSync = (_id, _command, timeoutSeconds) => {
    log.push(`${clock.now() / 1000} hook ${timeoutSeconds}`);
    return ended.promise;
  };
  const main = { name: 'main', lifecycle: { preStop: { exec: { command: ['sleep', '60'] } } } };
  const done = stopAllContainers(
    context,
    testPod({ containers: [main] }),
    observedPod(testContainer('main')),
    {
      graceSeconds: 3,
      cuts: new PodEnd().cuts,
    },
  );
  await clock.advance(10_000);
  await done;
  ended.reject(new Error('exit status 137'));
  await clock.advance(0);
  const steps = log.map((line) => line.replace(/^\S+ /, ''));
  assert.deepEqual(steps, ['Killing', 'hook 0', 'TERM main 2', 'ended main', 'FailedPreStopHook']);
});

test('an agent that ends meanwhile sends no signal out of turn', async () => {
  const { clock, log, context, stop } = setup({ main: 60_000 });
  const pod = testPod({ initContainers: [sidecar('s1')], containers: [{ name: 'main' }] });
  const observed = observedPod(testContainer('main'), testContainer('s1'));
  const done = stopAllContainers(context, pod, observed, {
    graceSeconds: 30,
    cuts: new PodEnd().cuts,
  });
  await clock.advance(1000);
  stop.abort();
  const outcome = assert.rejects(done);
  await clock.advance(60_000);
  await outcome;
  assert.equal(log.filter((line) => line.includes('TERM s1')).length, 0);
});
