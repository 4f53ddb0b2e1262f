/** Pods and what a runtime might show of them, for tests. */
import type { Pod } from '../api/resources.gen.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import { containerHash } from './pod/pod-actions.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './pod/pod-observation.ts';

export function testPod(spec: Partial<core.PodSpec> = {}, status: core.PodStatus = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'p',
      namespace: 'ns',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generation: 1,
    },
    spec: { restartPolicy: 'Always', containers: [{ name: 'c', image: 'img:1' }], ...spec },
    status,
  };
}

export function testSandbox(change: Partial<ObservedSandbox> = {}): ObservedSandbox {
  return {
    id: 's0',
    attempt: 0,
    ready: true,
    createdAtMs: 1000,
    ips: ['10.244.0.5'],
    onHostNetwork: false,
    runtimeHandler: '',
    ...change,
  };
}

export function testContainer(name: string, change: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    id: `${name}-${change.restartCount ?? 0}`,
    sandboxId: 's0',
    name,
    state: 'running',
    createdAtMs: 1000,
    startedAtMs: 1000,
    finishedAtMs: 0,
    exitCode: 0,
    reason: '',
    message: '',
    restartCount: 0,
    hash: containerHash({ name, image: 'img:1' }),
    image: 'img:1',
    imageId: 'sha256:1',
    logPath: '',
    annotations: {},
    ...change,
  };
}

export function exited(
  name: string,
  exitCode: number,
  change: Partial<ObservedContainer> = {},
): ObservedContainer {
  return testContainer(name, { state: 'exited', exitCode, finishedAtMs: 2000, ...change });
}

/** Containers in a ready sandbox, newest first. */
export function observedPod(...containers: ObservedContainer[]): ObservedPod {
  return { sandboxes: [testSandbox()], containers };
}
