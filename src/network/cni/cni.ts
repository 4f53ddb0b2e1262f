/**
 * The pod network of a node: writes the CNI configuration once the node has a pod range, and maintains routes to the
 * pod ranges of other nodes, through an overlay to those on other links.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Node } from '../../api/resources.gen.ts';
import { unlessAborted } from '../../base/async/unless-aborted.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { replaceIfOther } from '../../base/system/replace-file.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createCommandRunner, type RunCommand } from '../command.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { type Link, readLink } from './link.ts';
import { restoreOwnPodRoutes } from './own-pod-routes.ts';
import {
  cniConfig,
  leasesOf,
  type NodeRange,
  nodeRange,
  overlayDevice,
  overlayHardwareAddress,
  overlayHeaderBytes,
  planRoutes,
  type RoutePlan,
  routeProtocol,
} from './plan.ts';

export interface CniOptions {
  nodeName: string;
  /** The node's IPv4 address, by which other nodes reach it. */
  nodeAddress: string;
  /** The range that holds the pod ranges of all nodes. */
  clusterCidr: string;
  informers: InformerFactory;
  clock: Clock;
  logger: Logger;
  /** Where the container runtime looks for its network configuration; `/etc/cni/net.d` when absent. */
  configFolder?: string;
  /** Where it looks for plugins; `/opt/cni/bin` when absent. */
  pluginFolder?: string;
  /** Where addresses in use are recorded; must not outlive the pods. `/run/wherry/addresses` when absent. */
  leasesFolder?: string;
  /** How to run `ip` and `bridge`; directly when absent. */
  run?: RunCommand;
  /** Where kernel settings are written; `/proc/sys` when absent. */
  settingsFolder?: string;
}

/** A link that goes down takes its routes along, and comes up without them. */
const lookMs = 10_000;
const overlayPort = 8472;
const overlayId = 1;
const configName = '10-wherry.conflist';
const plugins = fileURLToPath(new URL('plugins', import.meta.url));
const executable = 0o755;

/**
 * Forwarding between pods and nodes; asymmetric routes, since answers may take another path than requests; node ports
 * on loopback.
 */
const kernelSettings: Record<string, string> = {
  'net/ipv4/ip_forward': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/default/rp_filter': '0',
  'net/ipv4/conf/all/route_localnet': '1',
  'net/ipv4/conf/all/send_redirects': '0',
  'net/ipv4/conf/default/send_redirects': '0',
};

/**
 * Resolves when the configuration is written and the routes known at that time exist; follows nodes until `signal`
 * aborts.
 */
export async function startCni(options: CniOptions, signal: AbortSignal): Promise<Pick<SyncLoop, 'settled'>> {
  const run = options.run ?? createCommandRunner();
  const nodes = options.informers.of(Node);
  await nodes.synced();
  await writeKernelSettings(options.settingsFolder ?? '/proc/sys');
  // Before the configuration that names them.
  await writePlugins(options.pluginFolder ?? '/opt/cni/bin');
  const link = await readLink(run, options.nodeAddress);
  const leasesFolder = options.leasesFolder ?? '/run/wherry/addresses';
  const configured = Promise.withResolvers<void>();
  let applied: RoutePlan | undefined;
  const loop = createSyncLoop(
    { clock: options.clock, logger: options.logger, failure: 'pod routes could not be set', sync },
    signal,
  );
  nodes.handle({ added: loop.touch, updated: loop.touch, deleted: loop.touch });
  loop.touch();
  void keepRoutes();
  await unlessAborted(configured.promise, signal);
  return loop;

  async function keepRoutes(): Promise<void> {
    while (!signal.aborted) {
      await pause(options.clock, lookMs, signal);
      if (signal.aborted || !applied) continue;
      try {
        if (!(await isRouteMissing(run, applied))) continue;
        options.logger.warn('routes to pods were removed, and are set again');
        applied = undefined;
        loop.touch();
      } catch (error) {
        options.logger.warn('routes to pods could not be looked at; the next look follows soon', { error });
      }
    }
  }

  async function sync(): Promise<void> {
    const ranges = [...nodes.list()].map(nodeRange).filter((range) => range !== undefined);
    const self = nodes.get(options.nodeName);
    const podCidr = self && (nodeRange(self)?.podCidr ?? self.spec?.podCIDR);
    if (!podCidr) return;
    const own: NodeRange = { name: options.nodeName, address: options.nodeAddress, podCidr };
    const others = ranges.filter(({ name }) => name !== options.nodeName);
    const plan = planRoutes({ own, others, clusterCidr: options.clusterCidr, isOnLink: link.isOnLink });
    // Nodes change with every heartbeat, their routes hardly ever.
    if (!applied) await restoreOwnPodRoutes(run, leasesOf(leasesFolder));
    if (!isDeepStrictEqual(plan, applied)) await applyRoutes(run, plan, link, options.nodeAddress);
    applied = plan;
    // Always reduced by the overlay's header: running pods must not need another size when a distant node joins.
    await writeConfig(options.configFolder ?? '/etc/cni/net.d', {
      podCidr,
      mtuBytes: link.mtuBytes - overlayHeaderBytes,
      leasesFolder,
    });
    configured.resolve();
  }
}

/** Destinations of the routes that are ours. */
async function presentRoutes(run: RunCommand): Promise<string[]> {
  interface Listed {
    dst: string;
  }
  const listing = await run('ip', ['-j', 'route', 'show', 'proto', routeProtocol]);
  return (JSON.parse(listing || '[]') as Listed[]).map(({ dst }) => (dst.includes('/') ? dst : `${dst}/32`));
}

async function isRouteMissing(run: RunCommand, plan: RoutePlan): Promise<boolean> {
  const present = new Set(await presentRoutes(run));
  return plan.routes.some(({ to }) => !present.has(to));
}

/** Brings routes and overlay from their present state to the plan. */
async function applyRoutes(run: RunCommand, plan: RoutePlan, link: Link, nodeAddress: string): Promise<void> {
  await syncOverlay(run, plan, link, nodeAddress);
  const present = await presentRoutes(run);
  const wanted = new Set(plan.routes.map(({ to }) => to));
  const lines = [
    ...present.filter((to) => !wanted.has(to)).map((to) => `route del ${to} proto ${routeProtocol}`),
    ...plan.routes.map(({ to, via }) =>
      via === 'unreachable'
        ? `route replace unreachable ${to} proto ${routeProtocol}`
        : `route replace ${to} ${via} proto ${routeProtocol}`,
    ),
  ];
  // A route that cannot be set is reported and tried again; those after it are set all the same.
  await run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`);
}

async function syncOverlay(run: RunCommand, plan: RoutePlan, link: Link, nodeAddress: string): Promise<void> {
  interface Listed {
    ifname: string;
  }
  const links = JSON.parse(await run('ip', ['-j', 'link', 'show'])) as Listed[];
  const isPresent = links.some(({ ifname }) => ifname === overlayDevice);
  if (plan.peers.length === 0) {
    if (isPresent) await run('ip', ['link', 'del', overlayDevice]);
    return;
  }
  if (!isPresent) {
    const mtuBytes = link.mtuBytes - overlayHeaderBytes;
    await run(
      'ip',
      ['-batch', '-'],
      `link add ${overlayDevice} address ${overlayHardwareAddress(nodeAddress)} mtu ${mtuBytes} type vxlan id ${overlayId} ` +
        `local ${nodeAddress} dev ${link.device} dstport ${overlayPort} nolearning\nlink set ${overlayDevice} up\n`,
    );
  }
  await syncOverlayAddress(run, plan.overlayAddress);
  await run('ip', ['neigh', 'flush', 'dev', overlayDevice, 'nud', 'permanent']);
  await run(
    'ip',
    ['-batch', '-'],
    plan.peers
      .map(
        ({ gateway, hardwareAddress }) =>
          `neigh replace ${gateway} lladdr ${hardwareAddress} dev ${overlayDevice} nud permanent\n`,
      )
      .join(''),
  );
  await syncForwarding(run, plan);
}

/** An address that stays is left alone: when one is removed, the kernel forgets its connections. */
async function syncOverlayAddress(run: RunCommand, wanted: string): Promise<void> {
  interface Listed {
    addr_info: { local: string; prefixlen: number }[];
  }
  const [listed] = JSON.parse(
    await run('ip', ['-j', '-4', 'address', 'show', 'dev', overlayDevice]),
  ) as Listed[];
  const others = (listed?.addr_info ?? []).filter(({ local }) => local !== wanted);
  const lines = [
    ...others.map(({ local, prefixlen }) => `address del ${local}/${prefixlen} dev ${overlayDevice}\n`),
    `address replace ${wanted}/32 dev ${overlayDevice}\n`,
  ];
  await run('ip', ['-batch', '-'], lines.join(''));
}

/** Which machine has which hardware address in the overlay. */
async function syncForwarding(run: RunCommand, plan: RoutePlan): Promise<void> {
  interface Listed {
    mac: string;
    dst?: string;
  }
  const present = JSON.parse(
    (await run('bridge', ['-j', 'fdb', 'show', 'dev', overlayDevice])) || '[]',
  ) as Listed[];
  const wanted = new Map(plan.peers.map(({ hardwareAddress, address }) => [hardwareAddress, address]));
  const lines = [
    ...present
      .filter(({ mac, dst }) => dst && wanted.get(mac) !== dst)
      .map(({ mac, dst }) => `fdb del ${mac} dev ${overlayDevice} dst ${dst}\n`),
    ...[...wanted].map(([mac, dst]) => `fdb replace ${mac} dev ${overlayDevice} dst ${dst}\n`),
  ];
  await run('bridge', ['-batch', '-'], lines.join(''));
}

async function writeKernelSettings(folder: string): Promise<void> {
  for (const [name, value] of Object.entries(kernelSettings)) {
    const path = join(folder, name);
    if ((await readFile(path, 'utf8')).trim() !== value) await writeFile(path, value);
  }
}

async function writePlugins(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(plugins))
    replaceIfOther(join(folder, name), await readFile(join(plugins, name), 'utf8'), executable);
}

/** Replaced as a whole: the runtime may read it at any moment. */
async function writeConfig(folder: string, config: Parameters<typeof cniConfig>[0]): Promise<void> {
  await mkdir(folder, { recursive: true });
  replaceIfOther(join(folder, configName), `${JSON.stringify(cniConfig(config), null, 2)}\n`);
}
