/** Annotates nodes, by the size of the cluster, with how long kubelets may cache Secrets and ConfigMaps. */
import { Node } from '../../api/resources.gen.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';

/** They overlap: where nodes come and go, the time does not change with each of them. */
const clusterSizes: readonly { nodesMin: number; nodesMax: number; ttlSeconds: number }[] = [
  { nodesMin: 0, nodesMax: 100, ttlSeconds: 0 },
  { nodesMin: 90, nodesMax: 500, ttlSeconds: 15 },
  { nodesMin: 450, nodesMax: 1_000, ttlSeconds: 30 },
  { nodesMin: 900, nodesMax: 2_000, ttlSeconds: 60 },
  { nodesMin: 1_800, nodesMax: Number.POSITIVE_INFINITY, ttlSeconds: 300 },
];

/** Which of the sizes a cluster has that had the size `step` before. */
export function nextSize(step: number, nodes: number): number {
  let next = step;
  while (nodes > clusterSizes[next]!.nodesMax) next++;
  while (nodes < clusterSizes[next]!.nodesMin) next--;
  return next;
}

/** The annotations to be written; undefined when the node has what it should have. */
export function planNodeTtl({ metadata }: Node, step: number): Record<string, string> | undefined {
  const wanted = String(clusterSizes[step]!.ttlSeconds);
  return metadata.annotations?.[annotation] === wanted ? undefined : { [annotation]: wanted };
}

export function nodeTtlController(): AnyController {
  let [step, nodes] = [0, 0];
  return defineController({
    name: 'ttlcontroller',
    component: 'ttl-controller',
    reconciles: Node,
    concerns: (node: Node, old: Node | undefined) =>
      !old || node.metadata.annotations?.[annotation] !== old.metadata.annotations?.[annotation],
    watches: [
      // A node that comes or goes may change what all the others should have.
      watch(Node, (node, old, informers) => {
        if (old && old !== node) return [];
        nodes += old ? -1 : 1;
        const before = step;
        step = nextSize(step, nodes);
        return step === before ? [] : [...informers.of(Node).list()].map(({ metadata }) => metadata.name);
      }),
    ],
    async reconcile(name, cluster, signal) {
      const node = cluster.get(Node, name);
      const annotations = node && planNodeTtl(node, step);
      if (annotations)
        await cluster.patch(Node, node, { metadata: { annotations } }, { type: 'merge', signal });
      return undefined;
    },
  });
}
