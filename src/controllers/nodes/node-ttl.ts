/** Annotates nodes, by the size of the cluster, with how long kubelets may cache Secrets and ConfigMaps. */
import { Node } from '../../api/resources.gen.ts';
import { defineController } from '../../client/controller/controller.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';
const steps: readonly [nodesMax: number, seconds: number][] = [
  [100, 0],
  [500, 15],
  [1000, 30],
  [2000, 60],
  [Number.POSITIVE_INFINITY, 300],
];

function ttlSeconds(nodes: number): number {
  return steps.find(([max]) => nodes <= max)![1];
}

export const nodeTtlController = defineController({
  name: 'ttlcontroller',
  component: 'ttl-controller',
  reconciles: Node,
  concerns: (node: Node, old: Node | undefined) =>
    !old || node.metadata.annotations?.[annotation] !== old.metadata.annotations?.[annotation],
  async reconcile(name, cluster, signal) {
    const node = cluster.get(Node, name);
    if (!node) return;
    const wanted = String(ttlSeconds([...cluster.informer(Node).list()].length));
    if (node.metadata.annotations?.[annotation] === wanted) return;
    const patch = { metadata: { annotations: { [annotation]: wanted } } };
    await cluster.patch(Node, node, patch, { type: 'merge', signal });
  },
});
