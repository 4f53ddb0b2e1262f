/** What pod and container security contexts together mean for the runtime. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type {
  ContainerSecurityContext,
  NamespaceOptions,
  SecurityProfile,
  UserNamespace,
} from '../cri/messages.ts';
import { appArmorProfileOf } from './app-armor.ts';

/** Paths of /proc and /sys that an ordinary container does not see or cannot write; upstream's lists. */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface NamespaceInputs {
  userNamespace: UserNamespace;
  /** The container whose processes an ephemeral one sees. */
  targetId?: string;
}

export function namespaceOptions(
  spec: core.PodSpec,
  { userNamespace, targetId }: NamespaceInputs,
): NamespaceOptions {
  return {
    network: spec.hostNetwork ? 'NODE' : 'POD',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
    pid: targetId ? 'TARGET' : spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER',
    ...(targetId && { targetId }),
    usernsOptions: userNamespace,
  };
}

/** The container's setting, or else the pod's. */
function effectiveSecurityContext(pod: Pod, container: core.Container) {
  const podContext = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  return {
    runAsUser: own.runAsUser ?? podContext.runAsUser,
    runAsGroup: own.runAsGroup ?? podContext.runAsGroup,
    runAsNonRoot: own.runAsNonRoot ?? podContext.runAsNonRoot,
    seLinuxOptions: own.seLinuxOptions ?? podContext.seLinuxOptions,
    seccompProfile: own.seccompProfile ?? podContext.seccompProfile,
  };
}

export interface ContainerSecurityOptions extends NamespaceInputs {
  seccompRoot: string;
  /** Whether a container without a seccomp profile gets the runtime's default. */
  seccompDefault: boolean;
  supplementalGroups: readonly number[];
  /** Of the container's image. */
  imageUser: ImageUser;
}

export function containerSecurityContext(
  pod: Pod,
  container: core.Container,
  options: ContainerSecurityOptions,
): ContainerSecurityContext {
  const podContext = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const effective = effectiveSecurityContext(pod, container);
  const groups = [...(podContext.supplementalGroups ?? []), ...options.supplementalGroups];
  if (podContext.fsGroup !== undefined) groups.push(podContext.fsGroup);
  const apparmor = profileOf(appArmorProfileOf(pod, container));
  const unmasked = own.procMount === 'Unmasked';
  return {
    privileged: own.privileged ?? false,
    namespaceOptions: namespaceOptions(pod.spec, options),
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    supplementalGroups: groups,
    ...(podContext.supplementalGroupsPolicy && {
      supplementalGroupsPolicy: podContext.supplementalGroupsPolicy,
    }),
    maskedPaths: unmasked || own.privileged ? [] : maskedPaths,
    readonlyPaths: unmasked || own.privileged ? [] : readonlyPaths,
    seccomp: seccompProfile(
      effective.seccompProfile ?? (options.seccompDefault ? { type: 'RuntimeDefault' } : undefined),
      { privileged: own.privileged ?? false, seccompRoot: options.seccompRoot },
    ),
    ...(apparmor && { apparmor, apparmorProfile: oldApparmorName(apparmor) }),
    ...(own.capabilities && {
      capabilities: {
        addCapabilities: own.capabilities.add ?? [],
        dropCapabilities: own.capabilities.drop ?? [],
      },
    }),
    ...(effective.seLinuxOptions && { selinuxOptions: effective.seLinuxOptions }),
    ...runAs(effective.runAsUser, options.imageUser),
    ...(effective.runAsGroup !== undefined && { runAsGroup: { value: effective.runAsGroup } }),
  };
}

/**
 * The image's user is named, too: a runtime takes no group without a user, and looks up further groups only of a user
 * that it is told.
 */
function runAs(
  runAsUser: number | undefined,
  { uid, username }: ImageUser,
): Pick<ContainerSecurityContext, 'runAsUser' | 'runAsUsername'> {
  if (runAsUser === undefined && uid === undefined && username !== '') return { runAsUsername: username };
  return { runAsUser: { value: runAsUser ?? uid ?? 0 } };
}

/** Whether seccomp filters what any of the pod's containers does. */
export function hasSeccompFilter(pod: Pod, seccompDefault: boolean): boolean {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some((container) => {
    const { seccompProfile } = effectiveSecurityContext(pod, container);
    if (container.securityContext?.privileged) return false;
    return seccompProfile ? seccompProfile.type !== 'Unconfined' : seccompDefault;
  });
}

function seccompProfile(
  profile: core.SeccompProfile | undefined,
  { privileged, seccompRoot }: { privileged: boolean; seccompRoot: string },
): SecurityProfile {
  if (privileged || !profile || profile.type === 'Unconfined') return { profileType: 'Unconfined' };
  if (profile.type === 'Localhost')
    return { profileType: 'Localhost', localhostRef: `${seccompRoot}/${profile.localhostProfile ?? ''}` };
  return { profileType: 'RuntimeDefault' };
}

function profileOf(profile: core.AppArmorProfile | undefined): SecurityProfile | undefined {
  if (!profile) return undefined;
  if (profile.type === 'Localhost')
    return { profileType: 'Localhost', localhostRef: profile.localhostProfile ?? '' };
  return { profileType: profile.type === 'Unconfined' ? 'Unconfined' : 'RuntimeDefault' };
}

function oldApparmorName(profile: SecurityProfile): string {
  if (profile.profileType === 'Localhost') return `localhost/${profile.localhostRef}`;
  return profile.profileType === 'Unconfined' ? 'unconfined' : 'runtime/default';
}

export interface ImageUser {
  uid: number | undefined;
  username: string;
}

/** Upstream's refusal of a container that must not run as root; undefined when it may run. */
export function nonRootProblem(pod: Pod, container: core.Container, image: ImageUser): string | undefined {
  const { runAsNonRoot, runAsUser } = effectiveSecurityContext(pod, container);
  if (!runAsNonRoot) return undefined;
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (runAsUser !== undefined) {
    return runAsUser === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined;
  }
  if (image.uid === 0 || (image.uid === undefined && image.username === ''))
    return `container has runAsNonRoot and image will run as root ${where}`;
  if (image.uid === undefined)
    return `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`;
  return undefined;
}
