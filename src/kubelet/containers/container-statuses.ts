/** Derives the container statuses that users see from what the runtime reports. Pure. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ObservedContainer, ObservedPod } from '../pod/pod-observation.ts';
import { recursiveReadOnlyStatus } from '../spec/recursive-read-only.ts';
import { initRestartsAfterExit, restartingAllReason, restartsAfterExit } from './restart-policy.ts';

/** Why a container does not run at the moment, e.g. ErrImagePull. */
export interface WaitingReason {
  reason: string;
  message: string;
}

/** What the kubelet knows of a pod apart from the runtime's reports. */
export interface StatusInputs {
  /** `containerd`, as in container ids. */
  runtimeName: string;
  /** By container name. */
  failures: ReadonlyMap<string, WaitingReason>;
  /** Whether a running container counts as started and ready, by its probes. */
  isStarted(container: core.Container, observed: ObservedContainer): boolean;
  isReady(container: core.Container, observed: ObservedContainer): boolean;
  /** Resources in effect, where they may differ from the spec (during a resize). */
  resourcesOf(container: core.Container): core.ResourceRequirements | undefined;
  /** What the node has reserved for it, whether in effect yet or not. */
  allocatedTo(container: core.Container): core.ResourceRequirements | undefined;
  /** Whether the pod's runtime supports recursive read-only mounts. */
  hasRecursiveReadOnly: boolean;
  /** Its devices, and their health. */
  devicesOf?(container: core.Container): core.ResourceStatus[];
}

export interface ContainerStatuses {
  initContainerStatuses: core.ContainerStatus[];
  containerStatuses: core.ContainerStatus[];
  ephemeralContainerStatuses: core.ContainerStatus[];
}

type Part = 'init' | 'regular' | 'ephemeral';

export function computeContainerStatuses(
  pod: Pod,
  observed: ObservedPod,
  inputs: StatusInputs,
): ContainerStatuses {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  const old = pod.status ?? {};
  const build = (
    part: Part,
    specs: readonly core.Container[],
    before: readonly core.ContainerStatus[] = [],
  ) =>
    specs.map((spec) =>
      containerStatus(
        {
          pod,
          spec,
          part,
          history: observed.containers.filter(({ name }) => name === spec.name),
          before: before.find(({ name }) => name === spec.name),
        },
        inputs,
      ),
    );
  return {
    initContainerStatuses: build('init', initContainers, old.initContainerStatuses),
    containerStatuses: withDevices(
      containers,
      build('regular', containers, old.containerStatuses),
      inputs,
    ).sort((a, b) => (a.name < b.name ? -1 : 1)),
    ephemeralContainerStatuses: build(
      'ephemeral',
      ephemeralContainers as core.Container[],
      old.ephemeralContainerStatuses,
    ),
  };
}

/** Of regular containers only, as upstream. */
function withDevices(
  specs: readonly core.Container[],
  statuses: readonly core.ContainerStatus[],
  { devicesOf }: StatusInputs,
): core.ContainerStatus[] {
  return statuses.map((status, index) => {
    const allocatedResourcesStatus = devicesOf?.(specs[index]!) ?? [];
    return allocatedResourcesStatus.length === 0 ? status : { ...status, allocatedResourcesStatus };
  });
}

/** A container of the spec, and what is known of it. */
interface KnownContainer {
  pod: Pod;
  spec: core.Container;
  part: Part;
  /** All containers of that name, newest first. */
  history: readonly ObservedContainer[];
  /** As last reported to the API. */
  before: core.ContainerStatus | undefined;
}

function containerStatus(known: KnownContainer, inputs: StatusInputs): core.ContainerStatus {
  const { pod, spec, part, before } = known;
  const [current, previous] = known.history;
  if (!current) return statusWithoutContainer(known, inputs);
  const state = stateOf(current, inputs);
  const isRunning = current.state === 'running';
  const status: core.ContainerStatus = {
    name: spec.name,
    state,
    ready: isReadyStatus(spec, part, current, inputs),
    restartCount: current.restartCount,
    image: current.image,
    imageID: current.imageId,
    containerID: containerId(current, inputs),
  };
  // Earlier failed attempts of an init container that has succeeded no longer matter; a restart of the whole pod does.
  const hasPassed =
    part === 'init' && !isSidecar(spec) && current.state === 'exited' && current.exitCode === 0;
  const lastTermination = previous ? stateOf(previous, inputs).terminated : before?.lastState?.terminated;
  const matters = !hasPassed || lastTermination?.reason === restartingAllReason;
  if (matters && lastTermination && lastTermination.containerID !== containerId(current, inputs))
    status.lastState = { terminated: lastTermination };
  if (part !== 'ephemeral') {
    const isProbed = part === 'regular' || isSidecar(spec);
    status.started = isRunning && (!isProbed || inputs.isStarted(spec, current));
  }
  const failure = inputs.failures.get(spec.name);
  if (!isRunning && failure && mayStillRun(pod, spec, part, current)) {
    status.state = { waiting: waiting(failure) };
    if (state.terminated) status.lastState = { terminated: state.terminated };
  }
  addDetails(status, spec, current, inputs);
  return status;
}

/** A container that does not run shows its granted resources, not those it had. */
function addDetails(
  status: core.ContainerStatus,
  spec: core.Container,
  current: ObservedContainer,
  inputs: StatusInputs,
): void {
  const granted = inputs.allocatedTo(spec);
  const resources = current.state === 'running' ? inputs.resourcesOf(spec) : (granted ?? {});
  if (resources) status.resources = resources;
  if (granted?.requests) status.allocatedResources = granted.requests;
  addVolumeMounts(status, spec, inputs);
  if (current.user) status.user = { linux: current.user };
}

function addVolumeMounts(status: core.ContainerStatus, spec: core.Container, inputs: StatusInputs): void {
  if (!spec.volumeMounts?.length) return;
  status.volumeMounts = spec.volumeMounts.map((mount) => ({
    name: mount.name,
    mountPath: mount.mountPath,
    ...(mount.readOnly && {
      readOnly: true,
      recursiveReadOnly: recursiveReadOnlyStatus(mount, { isSupported: inputs.hasRecursiveReadOnly }),
    }),
  }));
}

function statusWithoutContainer(
  { pod, spec, part, before }: KnownContainer,
  inputs: StatusInputs,
): core.ContainerStatus {
  const failure = inputs.failures.get(spec.name);
  const waitsForInit = part === 'regular' && (pod.spec.initContainers?.length ?? 0) > 0;
  const isFirstInit = part === 'init';
  const status: core.ContainerStatus = {
    name: spec.name,
    state: {
      waiting: failure
        ? waiting(failure)
        : { reason: waitsForInit || isFirstInit ? 'PodInitializing' : 'ContainerCreating' },
    },
    ready: false,
    restartCount: before?.restartCount ?? 0,
    image: spec.image ?? '',
    imageID: '',
    ...(part !== 'ephemeral' && { started: false }),
  };
  addVolumeMounts(status, spec, inputs);
  if (before?.containerID && isRestartingAll(pod)) {
    status.state = { waiting: failure ? waiting(failure) : { ...removedToRestart } };
    status.lastState = { terminated: { exitCode: 137, ...removedToRestart } };
    status.restartCount++;
    return status;
  }
  // Earlier runs that the runtime no longer knows (after a reboot, or a wiped runtime) are taken from the API.
  const last = before?.state?.terminated ?? before?.lastState?.terminated;
  if (before?.state?.terminated && part === 'init') {
    return { ...before, ready: before.state.terminated.exitCode === 0 };
  }
  if (before?.state?.running && before.containerID) {
    status.lastState = { terminated: { ...unknownEnd, message: lostMessage } };
    if (!pod.metadata.deletionTimestamp) status.restartCount++;
  } else if (last) {
    status.lastState = { terminated: last };
    if (last.reason === restartingAllReason && !failure) status.state = { waiting: { ...removedToRestart } };
  }
  return status;
}

/** How a container ended when the runtime can no longer be asked, or that never existed. */
export const unknownEnd: core.ContainerStateTerminated = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
};

const lostMessage =
  'The container could not be located when the pod was deleted.  The container used to be Running';

const removedToRestart = {
  reason: restartingAllReason,
  message: 'The container is removed because RestartAllContainers in place',
};

/** All containers were stopped for a restart of the whole pod: those missing now were removed for it. */
function isRestartingAll(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some(
    ({ type, status }) => type === 'AllContainersRestarting' && status === 'True',
  );
}

function isReadyStatus(
  spec: core.Container,
  part: Part,
  current: ObservedContainer,
  inputs: StatusInputs,
): boolean {
  if (part === 'ephemeral') return false;
  if (part === 'init' && !isSidecar(spec)) return current.state === 'exited' && current.exitCode === 0;
  return current.state === 'running' && inputs.isStarted(spec, current) && inputs.isReady(spec, current);
}

/** Whether a reason to wait may be shown instead of how the container ended. */
function mayStillRun(pod: Pod, spec: core.Container, part: Part, current: ObservedContainer): boolean {
  if (current.state !== 'exited') return true;
  // A sidecar that ended successfully is not shown as waiting either: upstream treats it as completed.
  if (part === 'init') return current.exitCode !== 0 && initRestartsAfterExit(pod, spec, current.exitCode);
  return restartsAfterExit(pod, spec, current.exitCode);
}

function stateOf(container: ObservedContainer, inputs: StatusInputs): core.ContainerState {
  switch (container.state) {
    case 'running':
      return { running: { startedAt: formatTime(container.startedAtMs) } };
    case 'exited':
      return {
        terminated: {
          exitCode: container.exitCode,
          reason: container.reason || (container.exitCode === 0 ? 'Completed' : 'Error'),
          ...(container.message && { message: container.message }),
          startedAt: formatTime(container.startedAtMs),
          finishedAt: formatTime(container.finishedAtMs),
          containerID: containerId(container, inputs),
        },
      };
    default:
      return { waiting: { reason: 'ContainerCreating' } };
  }
}

function waiting({ reason, message }: WaitingReason): core.ContainerStateWaiting {
  return message ? { reason, message } : { reason };
}

function containerId(container: ObservedContainer, inputs: StatusInputs): string {
  return `${inputs.runtimeName}://${container.id}`;
}
