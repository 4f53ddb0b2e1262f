/** The link between a cluster's nodes: a bridge on an address range that is free, and the way out of it, if wanted. */

import type { DataFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';
import {
  chooseSubnet,
  ensureBridge,
  hostHasDefaultRoute,
  removeBridge,
  usedPrefixes,
} from '../network/link.ts';
import { subnetOfPool } from '../network/load-balancer-pool.ts';
import { closeUplink, openUplink } from '../network/uplink.ts';
import { bridgeName, type ClusterRecord, listClusterRecords, saveClusterRecord } from './cluster-record.ts';

/** Returns the first three bytes of its addresses; a range that is new to the cluster is recorded. @throws Failure */
export async function ensureLink(data: DataFolder, record: ClusterRecord): Promise<string> {
  const folder = data.cluster(record.name);
  const bridge = bridgeName(record);
  const used = await usedPrefixes(bridge);
  const reserved = listClusterRecords(data)
    .filter((other) => other.name !== record.name && other.subnet)
    .map((other) => `${other.subnet}.0/24`);
  const isBusy = (subnet: string) => chooseSubnet(used, Number(subnet.split('.')[2])) !== subnet;
  if (record.loadBalancerPool) {
    const subnet = subnetOfPool(record.loadBalancerPool);
    if (isBusy(subnet) || (!record.subnet && reserved.includes(`${subnet}.0/24`)))
      throw new Failure(`${subnet}.0/24, where the load-balancer pool is, is in use on this machine`, {
        advice: `delete the cluster (wherry delete --name ${record.name}) and choose another pool`,
      });
    record.subnet = subnet;
    saveClusterRecord(folder, record);
  } else if (!record.subnet || isBusy(record.subnet)) {
    record.subnet = chooseSubnet([...used, ...reserved], Number.parseInt(record.id.slice(0, 2), 16));
    saveClusterRecord(folder, record);
  }
  const link = { bridge, subnet: record.subnet };
  await ensureBridge(link);
  if (!record.offline && hostHasDefaultRoute()) await openUplink(link, [record.serviceCidr, record.podCidr]);
  return record.subnet;
}

export async function removeLink(record: ClusterRecord): Promise<void> {
  const link = { bridge: bridgeName(record), subnet: record.subnet! };
  await closeUplink(link);
  await removeBridge(link.bridge);
}
