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
  run(pod: Pod, containers: readonly Container[]): Violation | undefined;
}

/** What the pod does that `level` forbids, in the order in which upstream tells it. */
export function violationsOf(pod: Pod, level: Level): Violation[] {
  if (level === 'privileged' || !pod.spec) return [];
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec;
  const all = [...initContainers, ...containers, ...(ephemeralContainers as Container[])];
  return checks
    .filter((check) => level === 'restricted' || check.level === 'baseline')
    .filter((check) => level === 'baseline' || !replacedWhenRestricted.has(check))
    .flatMap((check) => check.run(pod, all) ?? []);
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
  run(pod, containers) {
    if (isWindows(pod)) return undefined;
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
  run(pod, containers) {
    if (isWindows(pod)) return undefined;
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

const privileged: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(({ securityContext }) => securityContext?.privileged);
    if (bad.length === 0) return undefined;
    return { reason: 'privileged', detail: `${naming(bad)} must not set securityContext.privileged=true` };
  },
};

const procMount: Check = {
  level: 'baseline',
  run({ spec }, containers) {
    if (spec?.hostUsers === false) return undefined;
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
  run({ spec }, containers) {
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
  run({ spec }, containers) {
    const setters: string[] = [];
    if (spec?.securityContext?.runAsUser === 0) setters.push('pod');
    const bad = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0);
    if (bad.length > 0) setters.push(naming(bad));
    if (setters.length === 0) return undefined;
    return { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` };
  },
};

const allowedSeLinuxTypes = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);

const seLinuxOptions: Check = {
  level: 'baseline',
  run({ spec }, containers) {
    const setters: string[] = [];
    const types: string[] = [];
    let hasUser = false;
    let hasRole = false;
    const isBad = (options: { type?: string; user?: string; role?: string } | undefined): boolean => {
      if (!options) return false;
      const badType = !allowedSeLinuxTypes.has(options.type ?? '');
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
  run(pod, containers) {
    if (isWindows(pod)) return undefined;
    const forbidden = seccompBaseline.run(pod, containers);
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

const allowedSysctls = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

const sysctls: Check = {
  level: 'baseline',
  run({ spec }) {
    const names = (spec?.securityContext?.sysctls ?? [])
      .map(({ name }) => name)
      .filter((name) => !allowedSysctls.has(name));
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

function isWindows({ spec }: Pod): boolean {
  return spec?.os?.name === 'windows';
}

const checks: readonly Check[] = [
  allowPrivilegeEscalation,
  appArmorProfile,
  capabilitiesBaseline,
  capabilitiesRestricted,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  privileged,
  procMount,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seLinuxOptions,
  seccompBaseline,
  seccompRestricted,
  sysctls,
  windowsHostProcess,
];

/** Baseline checks that a stricter one says better. */
const replacedWhenRestricted: ReadonlySet<Check> = new Set([
  capabilitiesBaseline,
  seccompBaseline,
  hostPathVolumes,
]);
