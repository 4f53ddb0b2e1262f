/** Network traffic of pods and node, for `/stats/summary`. */
import type { Kubelet } from '../../kubelet.ts';
import type { InterfaceUsage } from '../../linux/usage/network-usage.ts';

interface InterfaceStats {
  name: string;
  rxBytes: number;
  rxErrors: number;
  txBytes: number;
  txErrors: number;
}

export interface NetworkStats extends Partial<InterfaceStats> {
  time: string;
  interfaces: InterfaceStats[];
}

const defaultInterface = 'eth0';

export async function nodeTraffic({ context }: Kubelet): Promise<NetworkStats | undefined> {
  return statsOf(await context.machine.interfaceUsages(), context.clock.now());
}

/** Undefined for a pod on the host's network, and for one without a process. */
export async function podTraffic(kubelet: Kubelet, uid: string): Promise<NetworkStats | undefined> {
  const usages = await podInterfaces(kubelet, uid);
  return usages && statsOf(usages, kubelet.context.clock.now());
}

async function podInterfaces({ context, pods }: Kubelet, uid: string): Promise<InterfaceUsage[] | undefined> {
  const { sandboxes = [], containers = [] } = pods.find(uid)?.observed ?? {};
  if (sandboxes.find(({ ready }) => ready)?.onHostNetwork !== false) return undefined;
  for (const { id } of containers.filter(({ state }) => state === 'running')) {
    const pid = (await context.machine.cgroups.containerDetails(uid, id))?.details.firstPid;
    if (pid !== undefined) return context.machine.interfaceUsages(pid);
  }
  return undefined;
}

function statsOf(usages: readonly InterfaceUsage[], nowMs: number): NetworkStats {
  const interfaces = usages.map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => ({
    name,
    rxBytes,
    rxErrors,
    txBytes,
    txErrors,
  }));
  const main = interfaces.find(({ name }) => name === defaultInterface);
  return { time: new Date(nowMs).toISOString(), ...main, interfaces };
}
