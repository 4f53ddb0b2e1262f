/** `wherry dev …`: for developers of Wherry. Not part of the public interface. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  bridgeName,
  type ClusterRecord,
  checkName,
  clusterCgroup,
  newClusterRecord,
} from '../host/cluster/cluster-record.ts';
import { dataFolder, defaultDataPath } from '../host/data-folder.ts';
import { inspectMachine } from '../host/machine/machine.ts';
import { chooseSubnet, ensureBridge, removeBridge, usedPrefixes } from '../host/network/link.ts';
import { removeCgroup, removeEmptyParents } from '../host/node/cgroup.ts';
import { containerdSocketOnHost } from '../host/node/containerd.ts';
import { ensureNode, type NodeContext, stopNode } from '../host/node/node.ts';

/** `node NAME`: a node namespace with a running containerd and nothing else; `node-delete NAME` removes it. */
export async function dev(args: readonly string[]): Promise<number> {
  const [verb, name] = args;
  if (name === undefined || (verb !== 'node' && verb !== 'node-delete')) {
    console.error('usage: wherry dev node NAME | wherry dev node-delete NAME');
    return 2;
  }
  checkName('node', name);
  const data = dataFolder(
    process.env.WHERRY_HOME ?? `${defaultDataPath(process.env, process.getuid?.())}-dev`,
  );
  const id = createHash('sha256').update(name).digest('hex').slice(0, 6);
  const cluster: ClusterRecord = { ...newClusterRecord(`dev-${name}`, 0), id };
  cluster.nodes.push({ name, index: 2 });
  const bridge = bridgeName(cluster);
  const subnet = chooseSubnet(await usedPrefixes(bridge), Number.parseInt(id.slice(0, 2), 16));
  const context: NodeContext = {
    data,
    machine: inspectMachine(),
    cluster: { ...cluster, subnet },
    visible: [fileURLToPath(new URL('../..', import.meta.url))],
  };
  if (verb === 'node') {
    await ensureBridge({ bridge, subnet });
    const node = await ensureNode(context, cluster.nodes[0]!);
    console.log(`socket   ${containerdSocketOnHost(node.namespace)}`);
    console.log(`enter    ${node.namespace.enter.join(' ')}`);
    console.log(`address  ${node.address}, the host is ${subnet}.1`);
    console.log(`cgroup   ${node.cgroupRoot}`);
    console.log(`folder   ${node.folder.path}`);
    return 0;
  }
  await stopNode(context, cluster.nodes[0]!);
  await removeCgroup(context.machine.cgroups, clusterCgroup(cluster));
  removeEmptyParents(context.machine.cgroups, clusterCgroup(cluster));
  await removeBridge(bridge);
  return 0;
}
