/**
 * Chooses the node for the volume of a claim that does not wait for its pod. A volume on a node's disk ties its pod to
 * that node: the claims of one pod must be placed together, or the pod fits nowhere.
 */

import type { Node, PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/resources.gen.ts';
import { compilePodNodeSelector } from '../../../api/selectors/node-selector.ts';
import { claimKeysOf } from '../claims-of-pod.ts';

export interface PlacementWorld {
  /** Nodes that accept pods. */
  nodes: readonly Node[];
  /** The number of volumes on the node. */
  volumesOn(node: Node): number;
  /** Where the claim's volume is, or is being created. */
  nodeOf(claimKey: string): Node | undefined;
  podsUsing(claimKey: string): readonly Pod[];
  /** Of the claim's namespace. */
  statefulSets: readonly StatefulSet[];
  claims: readonly PersistentVolumeClaim[];
}

export function pickNode(claim: PersistentVolumeClaim, world: PlacementWorld): Node | undefined {
  const fitting = nodesForPods(claim, world);
  const within = fitting.length > 0 ? { ...world, nodes: fitting } : world;
  return beside(claim, within) ?? leastUsed(within);
}

/** The nodes that the claim's pods may run on by their node selectors, as far as the pods are known. */
function nodesForPods(claim: PersistentVolumeClaim, world: PlacementWorld): Node[] {
  const specs = world.podsUsing(keyOf(claim)).map(({ spec }) => spec);
  const template = ownPodOf(claim, world.statefulSets)?.spec;
  if (specs.length === 0 && template) specs.push(template);
  const selectors = specs.map((spec) => compilePodNodeSelector({ spec }));
  return world.nodes.filter((node) => selectors.every((matches) => matches?.(node) ?? true));
}

/** The node of claims that belong together with this one. */
function beside(claim: PersistentVolumeClaim, world: PlacementWorld): Node | undefined {
  const key = keyOf(claim);
  const pods = world.podsUsing(key);
  for (const { spec } of pods) {
    const node = world.nodes.find(({ metadata }) => metadata.name === spec?.nodeName);
    if (node) return node;
  }
  const company = pods.flatMap(claimKeysOf);
  const member = ownPodOf(claim, world.statefulSets);
  if (member) company.push(...member.claimKeys);
  // For a claim created before its pod, it is unknown which claims belong with it: it goes where others in that state
  // are.
  else if (pods.length === 0) company.push(...idleClaims(claim, world));
  for (const other of company) {
    const node = other === key ? undefined : world.nodeOf(other);
    if (node && world.nodes.includes(node)) return node;
  }
  return undefined;
}

interface OwnPod {
  /** Of all its claims. */
  claimKeys: string[];
  spec: Pod['spec'] | undefined;
}

/** The StatefulSet's pod that the claim was made for. */
function ownPodOf(
  { metadata: { namespace, name } }: PersistentVolumeClaim,
  sets: readonly StatefulSet[],
): OwnPod | undefined {
  for (const { metadata, spec } of sets) {
    const templates = (spec?.volumeClaimTemplates ?? []).map((template) => template.metadata.name);
    for (const template of templates) {
      const prefix = `${template}-${metadata.name}-`;
      const ordinal = name.startsWith(prefix) ? name.slice(prefix.length) : '';
      if (!/^\d+$/.test(ordinal)) continue;
      const claimKeys = templates.map((other) => `${namespace}/${other}-${metadata.name}-${ordinal}`);
      return { claimKeys, spec: spec?.template.spec };
    }
  }
  return undefined;
}

function idleClaims(claim: PersistentVolumeClaim, world: PlacementWorld): string[] {
  return world.claims
    .filter((other) => other !== claim && !ownPodOf(other, world.statefulSets))
    .map(keyOf)
    .filter((key) => world.podsUsing(key).length === 0);
}

function leastUsed({ nodes, volumesOn }: PlacementWorld): Node | undefined {
  const count = new Map(nodes.map((node) => [node, volumesOn(node)]));
  return [...nodes].sort(
    (left, right) =>
      count.get(left)! - count.get(right)! || (left.metadata.name < right.metadata.name ? -1 : 1),
  )[0];
}

function keyOf({ metadata }: PersistentVolumeClaim): string {
  return `${metadata.namespace}/${metadata.name}`;
}
