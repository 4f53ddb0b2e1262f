/** Brings one container of a pod to life: image, configuration, creation, start and postStart hook. */

import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { timed } from '../../base/async/timed.ts';
import type { KubeletContext } from '../context.ts';
import type { ContainerConfig, Image, Mount, SandboxConfig, UserNamespace } from '../cri/messages.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { ImageProblem } from '../images/image-manager.ts';
import { parseImageName } from '../images/image-name.ts';
import { missingPullSecretsMessage, pullSecretsOf } from '../images/pull-secrets.ts';
import { type GraceCuts, specifiedGraceSeconds } from '../pod/end/pod-end.ts';
import { stopContainer } from '../pod/end/pod-termination.ts';
import { containerEvents, podEvents } from '../pod/pod-events.ts';
import { hostUsers } from '../sandbox/user-namespaces.ts';
import { containerConfigOf } from '../spec/container-config.ts';
import { ContainerConfigError, computeEnvironment } from '../spec/environment.ts';
import { isRecursivelyReadOnly } from '../spec/recursive-read-only.ts';
import { containerSecurityContext, nonRootProblem } from '../spec/security-context.ts';
import { subPathOf } from '../spec/sub-path.ts';
import type { MountedVolume } from '../volumes/pod-volumes.ts';
import type { WaitingReason } from './container-statuses.ts';
import { runHook } from './lifecycle-hooks.ts';

/** Why the container could not be started. */
export class StartProblem extends Error {
  readonly waiting: WaitingReason;
  readonly retryInMs: number | undefined;
  constructor(waiting: WaitingReason, retryInMs: number | undefined) {
    super(waiting.message);
    this.waiting = waiting;
    this.retryInMs = retryInMs;
  }
}

export interface ContainerStart {
  pod: Pod;
  container: core.Container;
  restartCount: number;
  sandboxId: string;
  /** Of the sandbox. */
  runtimeHandler: string;
  sandboxConfig: SandboxConfig;
  podIps: readonly string[];
  volumes: ReadonlyMap<string, MountedVolume>;
  hostsFile: string | undefined;
  /** Of the container whose processes an ephemeral container joins. */
  targetId?: string;
  /** The container runs; its postStart hook has yet to finish. */
  started(containerId: string): void;
  /** The pod is being terminated: hooks are cut short. */
  interrupt: AbortSignal;
  /** Its grace may become shorter while it is ending. */
  cuts: GraceCuts;
  /**
   * A pull begins, which may take long; `shows`: the container was waiting in back-off, which must be visible once
   * before.
   */
  pulling(shows?: WaitingReason): void;
  /** All images are there. */
  pulled(): void;
}

/** As upstream's pod workers do after an error that a retry may not fix. */
const retryMs = 10_000;

/** Resolves with the id. @throws StartProblem */
export async function startContainer(context: KubeletContext, start: ContainerStart): Promise<string> {
  // Oddities of the environment are reported first, missing references only once the image is there.
  const environment = environmentOf(context, start);
  await environment.catch(() => undefined);
  await warnOfMissingPullSecrets(context, start.pod);
  const image = await ensureImages(context, start);
  const config = await configureOrReport(context, start, image, environment);
  const id = await createAndStart(context, start, config);
  start.started(id);
  await runPostStart(context, start, id);
  return id;
}

async function warnOfMissingPullSecrets(context: KubeletContext, pod: Pod): Promise<void> {
  const { missing } = await pullSecretsOf(context.objects, pod);
  if (missing.length === 0) return;
  const message = missingPullSecretsMessage(missing);
  podEvents(context.recorder, pod).warning('FailedToRetrieveImagePullSecret', message);
}

/** Resolves with the container's image, once the images of its image volumes are there too. @throws StartProblem */
async function ensureImages(context: KubeletContext, start: ContainerStart): Promise<Image> {
  const { pod, container, sandboxConfig, pulling } = start;
  const events = containerEvents(context.recorder, pod, container);
  try {
    const user = { pod, sandbox: sandboxConfig, pulling, containerEvents: events };
    for (const { reference, pullPolicy } of imageVolumesOf(start))
      await context.images.ensure(
        { ...(reference && { image: reference }), ...(pullPolicy && { imagePullPolicy: pullPolicy }) },
        { ...user, events: podEvents(context.recorder, pod) },
      );
    const image = await context.images.ensure(container, { ...user, events });
    start.pulled();
    return image;
  } catch (error) {
    if (!(error instanceof ImageProblem)) throw error;
    if (!error.isReported) events.warning('Failed', `Error: ${error.waiting.reason}`);
    throw new StartProblem(error.waiting, error.retryInMs);
  }
}

/** @throws StartProblem when the container's configuration cannot be determined. */
async function configureOrReport(
  context: KubeletContext,
  start: ContainerStart,
  image: Image,
  environment: Promise<Map<string, string>>,
): Promise<ContainerConfig> {
  try {
    return await configure(context, start, image, await environment);
  } catch (error) {
    if (context.signal.aborted) throw error;
    throw reportProblem(context, start, {
      reason: 'CreateContainerConfigError',
      message: (error as Error).message,
    });
  }
}

/** Resolves with the id of the running container. @throws StartProblem */
async function createAndStart(
  context: KubeletContext,
  start: ContainerStart,
  config: ContainerConfig,
): Promise<string> {
  const { pod, container } = start;
  const { runtime, podStarts } = context;
  const events = containerEvents(context.recorder, pod, container);
  let id: string;
  try {
    const withDevices = await context.injectDevices(pod.metadata.uid, config);
    id = await podStarts.during(() =>
      runtime.createContainer(start.sandboxId, withDevices, start.sandboxConfig),
    );
  } catch (error) {
    throw reportProblem(context, start, { reason: 'CreateContainerError', message: descriptionOf(error) });
  }
  context.track(id, pod.metadata.uid);
  events.normal('Created', `Created container: ${container.name}`);
  try {
    await podStarts.during(() => runtime.startContainer(id));
  } catch (error) {
    throw reportProblem(context, start, { reason: 'RunContainerError', message: descriptionOf(error) }, 0);
  }
  events.normal('Started', `Started container ${container.name}`);
  return id;
}

/** Records the event that the container could not be started, and returns the error to throw. */
function reportProblem(
  context: KubeletContext,
  { pod, container }: ContainerStart,
  waiting: WaitingReason,
  retryInMs = retryMs,
): StartProblem {
  containerEvents(context.recorder, pod, container).warning('Failed', `Error: ${waiting.message}`);
  return new StartProblem(waiting, retryInMs);
}

/** Of the volumes that the container mounts. */
function imageVolumesOf({ container, volumes }: ContainerStart): core.ImageVolumeSource[] {
  return (container.volumeMounts ?? []).flatMap(({ name }) => volumes.get(name)?.image ?? []);
}

async function runPostStart(context: KubeletContext, start: ContainerStart, id: string): Promise<void> {
  const { pod, container } = start;
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  const target = { pod, container, containerId: id, podIp: start.podIps[0] ?? '' };
  try {
    await runHook(context, hook, target, start.interrupt);
  } catch (error) {
    if (start.interrupt.aborted) return;
    const events = containerEvents(context.recorder, pod, container);
    events.warning('FailedPostStartHook', 'PostStartHook failed');
    context.logger.info('a postStart hook failed', {
      pod: pod.metadata.name,
      container: container.name,
      error,
    });
    // With its preStop hook, as whenever a container is stopped.
    await stopContainer(context, {
      pod,
      spec: container,
      container: { id, name: container.name },
      graceSeconds: specifiedGraceSeconds(pod),
      message: 'FailedPostStartHook',
      podIp: target.podIp,
      cuts: start.cuts,
    });
    throw new StartProblem({ reason: 'PostStartHookError', message: (error as Error).message }, 0);
  }
}

function environmentOf(context: KubeletContext, { pod, container, podIps, volumes }: ContainerStart) {
  return computeEnvironment({
    pod,
    container,
    node: context.node(),
    podIps,
    objects: context.objects,
    services: context.servicesFor(pod),
    async readVolumeFile(name, path) {
      const root = volumes.get(name)?.hostPath;
      if (root === undefined) throw new Error(`cannot find the volume "${name}"`);
      return context.volumes.readFile(root, path);
    },
  });
}

async function configure(
  context: KubeletContext,
  start: ContainerStart,
  image: Image,
  environment: Map<string, string>,
): Promise<ContainerConfig> {
  const { pod, container } = start;
  const imageUser = { uid: image.uid?.value, username: image.username };
  const rootProblem = nonRootProblem(pod, container, imageUser);
  if (rootProblem) throw new ContainerConfigError(rootProblem);
  const grant = await context.devices.allocate(pod, container);
  for (const [name, value] of Object.entries(grant.envs))
    if (!environment.has(name)) environment.set(name, value);
  if (pod.spec.setHostnameAsFQDN && !environment.has('HOSTNAME') && start.sandboxConfig.hostname)
    environment.set('HOSTNAME', start.sandboxConfig.hostname);
  const mounts = await mountsOf(context, start, environment);
  const files = await context.machine.files.prepareContainer(pod, container, context.random.suffix(8));
  if (files.terminationLog)
    mounts.push({ hostPath: files.terminationLog, containerPath: container.terminationMessagePath ?? '' });
  const groups = [...start.volumes.values()].flatMap(({ gid }) => (gid === undefined ? [] : [gid]));
  const userNamespace =
    start.sandboxConfig.linux?.securityContext?.namespaceOptions?.usernsOptions ?? hostUsers;
  return containerConfigOf(pod, container, {
    restartCount: start.restartCount,
    imageRef: image.id,
    environment,
    mounts: [...mounts, ...grant.mounts].map((mount) => mappedMount(mount, userNamespace)),
    devices: [...grant.devices, ...blockDevices(start)],
    cdiDevices: [...new Set([...grant.cdiDevices, ...context.claims.cdiDevicesOf(pod, container)])],
    extraAnnotations: grant.annotations,
    securityContext: containerSecurityContext(pod, container, {
      seccompRoot: context.seccompRoot,
      seccompDefault: context.seccompDefault,
      supplementalGroups: groups,
      imageUser,
      userNamespace,
      ...(start.targetId && { targetId: start.targetId }),
    }),
    memoryCapacityBytes: context.memoryCapacityBytes,
  });
}

/** The files keep their owners on disk; the container sees those as its own users. */
function mappedMount(mount: Mount, { uids, gids }: UserNamespace): Mount {
  return { ...mount, ...(uids && { uidMappings: uids }), ...(gids && { gidMappings: gids }) };
}

const propagations = {
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
  None: 'PROPAGATION_PRIVATE',
} as const;

async function mountsOf(
  context: KubeletContext,
  start: ContainerStart,
  environment: ReadonlyMap<string, string>,
): Promise<Mount[]> {
  const { pod, container, volumes, hostsFile } = start;
  const mounts: Mount[] = [];
  let mountsHosts = false;
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = volumes.get(mount.name);
    if (!volume)
      throw new ContainerConfigError(
        `cannot find volume "${mount.name}" to mount into container "${container.name}"`,
      );
    const containerPath = mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`;
    if (containerPath === '/etc/hosts') mountsHosts = true;
    const readonly = (mount.readOnly ?? false) || (volume.readOnly ?? false);
    const propagation = propagations[mount.mountPropagation ?? 'None'];
    const recursiveReadOnly = isRecursivelyReadOnly(mount, {
      isSupported: context.hasRecursiveReadOnly(start.runtimeHandler),
    });
    const subPath = subPathOf(mount, environment);
    const root = volume.image ? await imageFiles(context, pod, mount.name, volume.image) : volume.hostPath;
    const hostPath = subPath
      ? await context.volumes.subPath({
          pod,
          container,
          index,
          volumeName: mount.name,
          root: root ?? '',
          subPath,
          readOnly: readonly,
        })
      : (root ?? '');
    mounts.push({ hostPath, containerPath, readonly, propagation, recursiveReadOnly });
  }
  if (hostsFile && !mountsHosts) {
    const readonly = container.securityContext?.readOnlyRootFilesystem ?? false;
    mounts.push({ hostPath: hostsFile, containerPath: '/etc/hosts', readonly });
  }
  return mounts;
}

async function imageFiles(
  { runtime, volumes, counts, clock }: KubeletContext,
  pod: Pod,
  volumeName: string,
  { reference = '' }: core.ImageVolumeSource,
): Promise<string> {
  const mount = async () => {
    const name = parseImageName(reference);
    const snapshot = 'problem' in name ? undefined : await runtime.imageSnapshot({ image: name.full });
    if (!snapshot) throw new ContainerConfigError(`image "${reference}" of volume "${volumeName}" is gone`);
    return volumes.mountImage(pod, volumeName, snapshot);
  };
  return timed(clock, mount, (outcome) => counts.imageVolumeRequested(outcome));
}

function blockDevices({ container, volumes }: ContainerStart) {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const hostPath = volumes.get(name)?.hostPath;
    if (!hostPath)
      throw new ContainerConfigError(
        `cannot find volume "${name}" to pass into container "${container.name}"`,
      );
    return { hostPath, containerPath: devicePath, permissions: 'mrw' };
  });
}

function descriptionOf(error: unknown): string {
  return error instanceof RuntimeError ? error.description : (error as Error).message;
}
