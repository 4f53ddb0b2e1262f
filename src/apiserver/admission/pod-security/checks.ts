/** The Pod Security Standards as pure checks: what a pod does that a level forbids, in upstream's words. */
import type { Pod } from '../../../api/resources.gen.ts';

type Spec = NonNullable<Pod['spec']>;
type Container = Spec['containers'][number];

export type Level = 'privileged' | 'baseline' | 'restricted';

export interface Violation {
  reason: string;
  detail: string;
}

interface Check {
  level: 'baseline' | 'restricted';
  /** The standard of which Kubernetes 1.x has it first; of all when absent. */
  since?: number;
  /** The baseline check that this one says better. */
  replaces?: Check;
  /** `minor`: of the version whose standard is wanted. */
  run(pod: Pod, containers: readonly Container[], minor: number): Violation | undefined;
}

/** The standard of the newest version. */
export const latestMinor = Number.POSITIVE_INFINITY;

/**
 * What the pod does that `level` forbids, in the order in which upstream tells it; `minor`: by the standard of Kubernetes
 * 1.x.
 */
export function violationsOf(pod: Pod, level: Level, minor = latestMinor): Violation[] {
  if (level === 'privileged' || !pod.spec) return [];
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec;
  const all = [...initContainers, ...containers, ...(ephemeralContainers as Container[])];
  const wanted = checks
    .filter((check) => level === 'restricted' || check.level === 'baseline')
    .filter(({ since = 0 }) => minor >= since);
  const replaced = new Set(wanted.map(({ replaces }) => replaces));
  return wanted.filter((check) => !replaced.has(check)).flatMap((check) => check.run(pod, all, minor) ?? []);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

/** `container "a" …` or `containers "a", "b" …`. */
function naming(containers: readonly Container[]): string {
  return `container${containers.length === 1 ? '' : 's'} ${quoted(containers.map(({ name }) => name))}`;
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}

const allowPrivilegeEscalation: Check = {
  level: 'restricted',
  since: 8,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const bad = containers.filter(
      ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
    );
    if (bad.length === 0) return undefined;
    return {
      reason: 'allowPrivilegeEscalation != false',
      detail: `${naming(bad)} must set securityContext.allowPrivilegeEscalation=false`,
    };
  },
};

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

const appArmorProfile: Check = {
  level: 'baseline',
  run(pod, containers) {
    const details: string[] = [];
    const setters: string[] = [];
    const types: string[] = [];
    const ofPod = pod.spec?.securityContext?.appArmorProfile?.type;
    if (ofPod === 'Unconfined') {
      setters.push('pod');
      types.push(ofPod);
    }
    const bad = containers.filter((one) => one.securityContext?.appArmorProfile?.type === 'Unconfined');
    if (bad.length > 0) {
      setters.push(naming(bad));
      types.push('Unconfined');
    }
    if (setters.length > 0)
      details.push(
        `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(distinct(types))}`,
      );
    for (const [key, value] of Object.entries(pod.metadata.annotations ?? {}))
      if (
        key.startsWith(appArmorAnnotation) &&
        value !== 'runtime/default' &&
        !value.startsWith('localhost/') &&
        value !== ''
      )
        details.push(`annotation ${JSON.stringify(`${key}=${value}`)}`);
    if (details.length === 0) return undefined;
    return {
      reason: details.length === 1 ? 'forbidden AppArmor profile' : 'forbidden AppArmor profiles',
      detail: details.join('; '),
    };
  },
};

const baselineCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const capabilitiesBaseline: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(({ securityContext }) =>
      securityContext?.capabilities?.add?.some((name) => !baselineCapabilities.has(name)),
    );
    if (bad.length === 0) return undefined;
    const names = distinct(
      bad.flatMap((one) =>
        one.securityContext!.capabilities!.add!.filter((name) => !baselineCapabilities.has(name)),
      ),
    ).sort();
    return {
      reason: 'non-default capabilities',
      detail: `${naming(bad)} must not include ${quoted(names)} in securityContext.capabilities.add`,
    };
  },
};

const capabilitiesRestricted: Check = {
  level: 'restricted',
  since: 22,
  replaces: capabilitiesBaseline,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const undropped = containers.filter(
      ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'),
    );
    const adding = containers.filter(({ securityContext }) =>
      securityContext?.capabilities?.add?.some((name) => name !== 'NET_BIND_SERVICE'),
    );
    const details: string[] = [];
    if (undropped.length > 0)
      details.push(`${naming(undropped)} must set securityContext.capabilities.drop=["ALL"]`);
    if (adding.length > 0) {
      const names = distinct(
        adding.flatMap((one) =>
          one.securityContext!.capabilities!.add!.filter((name) => name !== 'NET_BIND_SERVICE'),
        ),
      ).sort();
      details.push(`${naming(adding)} must not include ${quoted(names)} in securityContext.capabilities.add`);
    }
    if (details.length === 0) return undefined;
    return { reason: 'unrestricted capabilities', detail: details.join('; ') };
  },
};

const hostNamespaces: Check = {
  level: 'baseline',
  run({ spec }) {
    const set = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec?.[name]);
    if (set.length === 0) return undefined;
    return { reason: 'host namespaces', detail: set.map((name) => `${name}=true`).join(', ') };
  },
};

const hostPathVolumes: Check = {
  level: 'baseline',
  run({ spec }) {
    const names = (spec?.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
    if (names.length === 0) return undefined;
    return { reason: 'hostPath volumes', detail: `volume${names.length === 1 ? '' : 's'} ${quoted(names)}` };
  },
};

const hostPorts: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(({ ports }) => ports?.some(({ hostPort }) => hostPort));
    if (bad.length === 0) return undefined;
    const ports = distinct(bad.flatMap((one) => one.ports!.flatMap(({ hostPort }) => hostPort || []))).sort(
      (a, b) => a - b,
    );
    const verb = bad.length === 1 ? 'uses' : 'use';
    const noun = ports.length === 1 ? 'hostPort' : 'hostPorts';
    return { reason: 'hostPort', detail: `${naming(bad)} ${verb} ${noun} ${ports.join(', ')}` };
  },
};

const hostProbesAndLifecycle: Check = {
  level: 'baseline',
  since: 34,
  run(_pod, containers) {
    const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
      [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
        .flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host])
        .filter((host) => host !== undefined && host !== '');
    const bad = containers.filter((one) => hostsOf(one).length > 0);
    if (bad.length === 0) return undefined;
    const names = distinct(bad.map(({ name }) => name)).sort();
    const hosts = distinct(bad.flatMap(hostsOf)).sort() as string[];
    const subject =
      names.length === 1 ? `container ${quoted(names)} uses` : `containers ${quoted(names)} use`;
    const noun = hosts.length === 1 ? 'probe or lifecycle host' : 'probe or lifecycle hosts';
    return { reason: 'probe or lifecycle host', detail: `${subject} ${noun} ${quoted(hosts)}` };
  },
};

const privileged: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(({ securityContext }) => securityContext?.privileged);
    if (bad.length === 0) return undefined;
    return { reason: 'privileged', detail: `${naming(bad)} must not set securityContext.privileged=true` };
  },
};

const procMountAlways: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(
      ({ securityContext }) => (securityContext?.procMount ?? 'Default') !== 'Default',
    );
    if (bad.length === 0) return undefined;
    const values = distinct(bad.map((one) => one.securityContext!.procMount!));
    return {
      reason: 'procMount',
      detail: `${naming(bad)} must not set securityContext.procMount to ${quoted(values)}`,
    };
  },
};

const procMount: Check = {
  level: 'baseline',
  run: (pod, containers, minor) =>
    hasOwnUsers(pod, minor) ? undefined : procMountAlways.run(pod, containers, minor),
};

const procMountRestricted: Check = {
  ...procMountAlways,
  level: 'restricted',
  since: 35,
  replaces: procMount,
};

const allowedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

const restrictedVolumes: Check = {
  level: 'restricted',
  replaces: hostPathVolumes,
  run({ spec }) {
    const bad = (spec?.volumes ?? [])
      .map(({ name, ...source }) => ({ name, type: Object.keys(source)[0] ?? 'emptyDir' }))
      .filter(({ type }) => !allowedVolumes.has(type));
    if (bad.length === 0) return undefined;
    const types = distinct(bad.map(({ type }) => type)).sort();
    const names = quoted(bad.map(({ name }) => name));
    const subject = bad.length === 1 ? `volume ${names} uses` : `volumes ${names} use`;
    const noun = types.length === 1 ? 'restricted volume type' : 'restricted volume types';
    return { reason: 'restricted volume types', detail: `${subject} ${noun} ${quoted(types)}` };
  },
};

const runAsNonRoot: Check = {
  level: 'restricted',
  run(pod, containers, minor) {
    if (hasOwnUsers(pod, minor)) return undefined;
    const { spec } = pod;
    const ofPod = spec?.securityContext?.runAsNonRoot;
    const explicit = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot === false);
    const details: string[] = [];
    if (ofPod === false) details.push('pod');
    if (explicit.length > 0) details.push(naming(explicit));
    if (details.length > 0)
      return {
        reason: 'runAsNonRoot != true',
        detail: `${details.join(' and ')} must not set securityContext.runAsNonRoot=false`,
      };
    if (ofPod === true) return undefined;
    const unset = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot !== true);
    if (unset.length === 0) return undefined;
    return {
      reason: 'runAsNonRoot != true',
      detail: `pod or ${naming(unset)} must set securityContext.runAsNonRoot=true`,
    };
  },
};

const runAsUser: Check = {
  level: 'restricted',
  since: 23,
  run(pod, containers, minor) {
    if (hasOwnUsers(pod, minor)) return undefined;
    const { spec } = pod;
    const setters: string[] = [];
    if (spec?.securityContext?.runAsUser === 0) setters.push('pod');
    const bad = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0);
    if (bad.length > 0) setters.push(naming(bad));
    if (setters.length === 0) return undefined;
    return { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` };
  },
};

const allowedSeLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);
/** With the version of the standard that allows it first. */
const laterSeLinuxTypes = new Map([['container_engine_t', 31]]);

const seLinuxOptions: Check = {
  level: 'baseline',
  run({ spec }, containers, minor) {
    const setters: string[] = [];
    const types: string[] = [];
    let hasUser = false;
    let hasRole = false;
    const isBad = (options: { type?: string; user?: string; role?: string } | undefined): boolean => {
      if (!options) return false;
      const { type = '' } = options;
      const badType = !allowedSeLinuxTypes.has(type) && !(minor >= laterSeLinuxTypes.get(type)!);
      if (badType) types.push(options.type!);
      hasUser ||= !!options.user;
      hasRole ||= !!options.role;
      return badType || !!options.user || !!options.role;
    };
    if (isBad(spec?.securityContext?.seLinuxOptions)) setters.push('pod');
    const bad = containers.filter(({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    if (bad.length > 0) setters.push(naming(bad));
    if (setters.length === 0) return undefined;
    const problems: string[] = [];
    const kinds = distinct(types).sort();
    if (kinds.length > 0) problems.push(`type${kinds.length === 1 ? '' : 's'} ${quoted(kinds)}`);
    if (hasUser) problems.push('user may not be set');
    if (hasRole) problems.push('role may not be set');
    return {
      reason: 'seLinuxOptions',
      detail: `${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')}`,
    };
  },
};

const seccompBaseline: Check = {
  level: 'baseline',
  since: 19,
  run({ spec }, containers) {
    const isBad = (type: string | undefined) =>
      type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
    const setters: string[] = [];
    const types: string[] = [];
    const ofPod = spec?.securityContext?.seccompProfile?.type;
    if (isBad(ofPod)) {
      setters.push('pod');
      types.push(ofPod!);
    }
    const bad = containers.filter(({ securityContext }) => isBad(securityContext?.seccompProfile?.type));
    if (bad.length > 0) setters.push(naming(bad));
    types.push(...bad.map((one) => one.securityContext!.seccompProfile!.type));
    if (setters.length === 0) return undefined;
    return {
      reason: 'seccompProfile',
      detail: `${setters.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(distinct(types))}`,
    };
  },
};

const seccompRestricted: Check = {
  level: 'restricted',
  since: 19,
  replaces: seccompBaseline,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const forbidden = seccompBaseline.run(pod, containers, minor);
    if (forbidden) return forbidden;
    if (pod.spec?.securityContext?.seccompProfile) return undefined;
    const unset = containers.filter(({ securityContext }) => !securityContext?.seccompProfile);
    if (unset.length === 0) return undefined;
    return {
      reason: 'seccompProfile',
      detail: `pod or ${naming(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
    };
  },
};

/** With the version of the standard that allows it first. */
const allowedSysctls = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.tcp_wmem', 32],
]);

const sysctls: Check = {
  level: 'baseline',
  run({ spec }, _containers, minor) {
    const names = (spec?.securityContext?.sysctls ?? [])
      .map(({ name }) => name)
      .filter((name) => !(minor >= allowedSysctls.get(name)!));
    return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') };
  },
};

const windowsHostProcess: Check = {
  level: 'baseline',
  run({ spec }, containers) {
    const setters: string[] = [];
    if (spec?.securityContext?.windowsOptions?.hostProcess) setters.push('pod');
    const bad = containers.filter(({ securityContext }) => securityContext?.windowsOptions?.hostProcess);
    if (bad.length > 0) setters.push(naming(bad));
    if (setters.length === 0) return undefined;
    return {
      reason: 'hostProcess',
      detail: `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`,
    };
  },
};

/** Of what Windows does not have, such a pod says nothing. */
function isWindows({ spec }: Pod, minor: number): boolean {
  return minor >= 25 && spec?.os?.name === 'windows';
}

/** Root in a user namespace of its own is nobody outside. */
function hasOwnUsers({ spec }: Pod, minor: number): boolean {
  return minor >= 35 && spec?.hostUsers === false;
}

const checks: readonly Check[] = [
  allowPrivilegeEscalation,
  appArmorProfile,
  capabilitiesBaseline,
  capabilitiesRestricted,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndLifecycle,
  privileged,
  procMount,
  procMountRestricted,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seLinuxOptions,
  seccompBaseline,
  seccompRestricted,
  sysctls,
  windowsHostProcess,
];
