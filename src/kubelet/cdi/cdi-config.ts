/**
 * Expresses in a container's configuration what CDI devices need, for runtimes that do not read CDI specs themselves.
 * What cannot be expressed is an error: a container must not run with less than its device needs. Pure.
 */
import type { ContainerConfig, Mount } from '../cri/messages.ts';
import type { CdiDeviceNode, CdiEdits, CdiMount } from './cdi-spec.ts';

/** A device as it is to appear in the container. */
export interface WantedNode {
  containerPath: string;
  /** The path from which its kind and number are read when they are not given. */
  hostPath: string;
  given: Pick<CdiDeviceNode, 'type' | 'major' | 'minor'>;
  mode: number;
  uid: number;
  gid: number;
  permissions: string;
}

/** For device nodes whose spec names no permissions. */
const defaultMode = 0o666;

/** @throws Error for what a configuration cannot express */
export function wantedNodes(edits: readonly CdiEdits[], config: ContainerConfig): WantedNode[] {
  for (const each of edits) checkExpressible(each);
  const context = config.linux?.securityContext;
  return edits
    .flatMap(({ deviceNodes = [] }) => deviceNodes)
    .map(({ path, hostPath = path, type, major, minor, fileMode, permissions, uid, gid }) => ({
      containerPath: path,
      hostPath,
      given: { ...(type && { type }), ...(major && { major, minor: minor ?? 0 }) },
      mode: fileMode ? fileMode & 0o7777 : defaultMode,
      uid: uid ?? context?.runAsUser?.value ?? 0,
      gid: gid ?? context?.runAsGroup?.value ?? 0,
      permissions: permissions || 'rwm',
    }));
}

/** `nodes`: the wanted ones, and the path on the node where each was created. */
export function withCdiEdits(
  config: ContainerConfig,
  edits: readonly CdiEdits[],
  nodes: readonly { node: WantedNode; madeAt: string }[],
): ContainerConfig {
  const { CDIDevices: _, ...rest } = config;
  const isPrivileged = config.linux?.securityContext?.privileged ?? false;
  const mounts = edits.flatMap(({ mounts: all = [] }) => all.map(asMount));
  // Runtimes give a privileged container the node's devices, and no others: these are mounted into it.
  const mountedNodes = nodes.map(({ node, madeAt }) => ({
    hostPath: madeAt,
    containerPath: node.containerPath,
  }));
  const devices = nodes.map(({ node, madeAt }) => ({
    hostPath: madeAt,
    containerPath: node.containerPath,
    permissions: node.permissions,
  }));
  const withLists: ContainerConfig = {
    ...rest,
    envs: withEnvironment(
      config.envs ?? [],
      edits.flatMap(({ env = [] }) => env),
    ),
    mounts: [...(config.mounts ?? []), ...mounts, ...(isPrivileged ? mountedNodes : [])],
    devices: [...(config.devices ?? []), ...(isPrivileged ? [] : devices)],
  };
  const gids = edits.flatMap(({ additionalGids = [] }) => additionalGids);
  return gids.length === 0 ? withLists : withGroups(withLists, gids);
}

function withEnvironment(
  before: NonNullable<ContainerConfig['envs']>,
  added: readonly string[],
): NonNullable<ContainerConfig['envs']> {
  const envs = new Map(before.map(({ key, value }) => [key, value]));
  for (const each of added) {
    const at = each.indexOf('=');
    envs.set(each.slice(0, at), Buffer.from(each.slice(at + 1)));
  }
  return [...envs].map(([key, value]) => ({ key, value }));
}

function withGroups(config: ContainerConfig, gids: readonly number[]): ContainerConfig {
  const securityContext = config.linux?.securityContext ?? {};
  const { supplementalGroups = [] } = securityContext;
  const groups = [...new Set([...supplementalGroups, ...gids.filter((gid) => gid > 0)])];
  return {
    ...config,
    linux: { ...config.linux, securityContext: { ...securityContext, supplementalGroups: groups } },
  };
}

const propagations: Readonly<Record<string, Mount['propagation']>> = {
  private: 'PROPAGATION_PRIVATE',
  rprivate: 'PROPAGATION_PRIVATE',
  slave: 'PROPAGATION_HOST_TO_CONTAINER',
  rslave: 'PROPAGATION_HOST_TO_CONTAINER',
  shared: 'PROPAGATION_BIDIRECTIONAL',
  rshared: 'PROPAGATION_BIDIRECTIONAL',
};
const plainOptions: ReadonlySet<string> = new Set(['ro', 'rw', 'bind', 'rbind']);

function asMount({ hostPath, containerPath, options = [] }: CdiMount): Mount {
  const propagation = options.map((option) => propagations[option]).findLast((found) => found !== undefined);
  return { hostPath, containerPath, readonly: options.includes('ro'), ...(propagation && { propagation }) };
}

function checkExpressible({ env = [], hooks, intelRdt, netDevices, mounts = [] }: CdiEdits): void {
  const refuse = (what: string) => {
    throw new Error(`${what} cannot be passed on to a container runtime without CDI`);
  };
  if (hooks?.length) refuse('hooks');
  if (intelRdt) refuse('intelRdt');
  if (netDevices?.length) refuse('netDevices');
  for (const { type = '', containerPath, options = [] } of mounts) {
    if (!['', 'bind', 'none'].includes(type)) refuse(`the ${type} mount ${containerPath}`);
    const other = options.find((option) => !plainOptions.has(option) && !(option in propagations));
    if (other !== undefined) refuse(`the option ${other} of mount ${containerPath}`);
  }
  const odd = env.find((each) => each.indexOf('=') < 1);
  if (odd !== undefined) throw new Error(`invalid environment variable "${odd}"`);
}
