/** What the baseline level of the Pod Security Standards forbids, in upstream's words. */
import { type Check, type Container, distinct, hasOwnUsers, naming, quoted } from './check.ts';

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

export const appArmorProfile: Check = {
  level: 'baseline',
  run(pod, containers) {
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
    const annotations = forbiddenAnnotations(pod.metadata.annotations ?? {});
    if (annotations.length > 0) setters.push(annotations.length === 1 ? 'annotation' : 'annotations');
    if (setters.length === 0) return undefined;
    const values = [...distinct(types), ...annotations];
    return {
      reason: values.length === 1 ? 'forbidden AppArmor profile' : 'forbidden AppArmor profiles',
      detail: `${setters.join(' and ')} must not set AppArmor profile type to ${values.map((value) => `"${value}"`).join(', ')}`,
    };
  },
};

/** `KEY="VALUE"`, sorted. */
function forbiddenAnnotations(annotations: Record<string, string>): string[] {
  return Object.entries(annotations)
    .filter(
      ([key, value]) =>
        key.startsWith(appArmorAnnotation) &&
        value !== 'runtime/default' &&
        !value.startsWith('localhost/') &&
        value !== '',
    )
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
}

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

export const capabilitiesBaseline: Check = {
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

export const hostNamespaces: Check = {
  level: 'baseline',
  run({ spec }) {
    const set = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec?.[name]);
    if (set.length === 0) return undefined;
    return { reason: 'host namespaces', detail: set.map((name) => `${name}=true`).join(', ') };
  },
};

export const hostPathVolumes: Check = {
  level: 'baseline',
  run({ spec }) {
    const names = (spec?.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
    if (names.length === 0) return undefined;
    return { reason: 'hostPath volumes', detail: `volume${names.length === 1 ? '' : 's'} ${quoted(names)}` };
  },
};

export const hostPorts: Check = {
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

export const hostProbesAndLifecycle: Check = {
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

export const privileged: Check = {
  level: 'baseline',
  run(_pod, containers) {
    const bad = containers.filter(({ securityContext }) => securityContext?.privileged);
    if (bad.length === 0) return undefined;
    return { reason: 'privileged', detail: `${naming(bad)} must not set securityContext.privileged=true` };
  },
};

export const procMountAlways: Check = {
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

export const procMount: Check = {
  level: 'baseline',
  run: (pod, containers, minor) =>
    hasOwnUsers(pod, minor) ? undefined : procMountAlways.run(pod, containers, minor),
};

const allowedSeLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);

/** With the version of the standard that is the first to allow it. */
const laterSeLinuxTypes = new Map([['container_engine_t', 31]]);

export const seLinuxOptions: Check = {
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

export const seccompBaseline: Check = {
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

/** With the version of the standard that is the first to allow it. */
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

export const sysctls: Check = {
  level: 'baseline',
  run({ spec }, _containers, minor) {
    const names = (spec?.securityContext?.sysctls ?? [])
      .map(({ name }) => name)
      .filter((name) => !(minor >= allowedSysctls.get(name)!));
    return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') };
  },
};

export const windowsHostProcess: Check = {
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
