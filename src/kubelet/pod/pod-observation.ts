/** What the runtime reports of one pod, as plain objects on which decisions are based. */

import type { Container, ContainerStatus, Sandbox, SandboxStatus } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { isNotFound } from '../cri/runtime-error.ts';

/** Labels and annotations by which containers are found again after a restart of the agent; upstream's names. */
export const labels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export const annotations = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  terminationGracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  preStopHandler: 'io.kubernetes.container.preStopHandler',
  configSource: 'kubernetes.io/config.source',
} as const;

export interface ObservedSandbox {
  id: string;
  attempt: number;
  ready: boolean;
  createdAtMs: number;
  /** Empty on the host's network. */
  ips: string[];
  onHostNetwork: boolean;
  /** Empty: the runtime's default. */
  runtimeHandler: string;
}

export type ObservedState = 'created' | 'running' | 'exited' | 'unknown';

export interface ObservedContainer {
  id: string;
  sandboxId: string;
  name: string;
  state: ObservedState;
  createdAtMs: number;
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  reason: string;
  message: string;
  restartCount: number;
  /** Of the part of its spec that restarts it when it changes. */
  hash: string;
  image: string;
  imageId: string;
  user?: { uid: number; gid: number; supplementalGroups: number[] };
  logPath: string;
  annotations: Record<string, string>;
}

/** Newest first, both. */
export interface ObservedPod {
  sandboxes: ObservedSandbox[];
  containers: ObservedContainer[];
}

export const nothingObserved: ObservedPod = { sandboxes: [], containers: [] };

/** Adds what only the node's files know: the message of an ended container. */
export type ReadTerminationMessage = (status: ContainerStatus) => Promise<string | undefined>;

/** Queries the runtime for everything with the pod's uid. */
export async function observePod(
  runtime: ContainerRuntime,
  uid: string,
  known: ObservedPod,
  readTerminationMessage: ReadTerminationMessage,
): Promise<ObservedPod> {
  const filter = { labelSelector: { [labels.podUid]: uid } };
  const [sandboxes, containers] = await Promise.all([
    runtime.listPodSandboxes(filter),
    runtime.listContainers(filter),
  ]);
  const knownEnds = new Map(
    known.containers
      .filter((container) => container.state === 'exited')
      .map((container) => [container.id, container]),
  );
  const knownSandboxes = new Map(known.sandboxes.map((sandbox) => [sandbox.id, sandbox]));
  const observed = await Promise.all([
    Promise.all(
      sandboxes.map((sandbox) => {
        const before = knownSandboxes.get(sandbox.id);
        // Everything but its readiness stays as created, and the readiness has just been read.
        return before?.ready === isReady(sandbox) ? before : observeSandbox(runtime, sandbox);
      }),
    ),
    Promise.all(
      containers.map(
        (container) =>
          // What has ended no longer changes.
          knownEnds.get(container.id) ?? observeContainer(runtime, container, readTerminationMessage),
      ),
    ),
  ]);
  return {
    sandboxes: observed[0]
      .filter(isPresent)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
    containers: observed[1]
      .filter(isPresent)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || b.restartCount - a.restartCount),
  };
}

async function observeSandbox(
  runtime: ContainerRuntime,
  sandbox: Sandbox,
): Promise<ObservedSandbox | undefined> {
  let status: SandboxStatus;
  try {
    status = await runtime.podSandboxStatus(sandbox.id);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const onHostNetwork = status.linux?.namespaces?.options?.network === 'NODE';
  const ips = status.network
    ? [status.network.ip, ...status.network.additionalIps.map(({ ip }) => ip)].filter((ip) => ip !== '')
    : [];
  return {
    id: status.id,
    attempt: status.metadata.attempt,
    ready: isReady(status),
    createdAtMs: status.createdAt / 1e6,
    ips: onHostNetwork ? [] : ips,
    onHostNetwork,
    runtimeHandler: status.runtimeHandler,
  };
}

function isReady({ state }: Sandbox): boolean {
  return state === 'SANDBOX_READY';
}

const states = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const;

async function observeContainer(
  runtime: ContainerRuntime,
  container: Container,
  readTerminationMessage: ReadTerminationMessage,
): Promise<ObservedContainer | undefined> {
  let status: ContainerStatus;
  try {
    status = await runtime.containerStatus(container.id);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const state = states[status.state];
  const message = state === 'exited' ? await readTerminationMessage(status) : undefined;
  return {
    id: status.id,
    sandboxId: container.podSandboxId,
    name: status.labels[labels.containerName] ?? status.metadata.name,
    state,
    createdAtMs: status.createdAt / 1e6,
    startedAtMs: epochMs(status.startedAt),
    finishedAtMs: epochMs(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: message ?? status.message,
    restartCount: Number(status.annotations[annotations.restartCount] ?? status.metadata.attempt),
    hash: status.annotations[annotations.hash] ?? '',
    image: status.image.image,
    imageId: status.imageRef,
    ...(status.user?.linux && { user: status.user.linux }),
    logPath: status.logPath,
    annotations: status.annotations,
  };
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** The newest container of that name. */
export function findContainer(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.name === name);
}

/** What never happened may come as Go's zero time, long before the epoch. */
function epochMs(nanoseconds: number): number {
  return Math.max(0, nanoseconds) / 1e6;
}
