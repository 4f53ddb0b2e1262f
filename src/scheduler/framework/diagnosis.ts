/** Why a pod fits nowhere, and upstream's sentence that says so. */
import type { NodeRefusals } from './node-rejections.ts';
import type { Rejection } from './plugin.ts';

export interface Diagnosis {
  nodesTotal: number;
  rejections: NodeRefusals;
  /** What applies to the nodes that are not in `rejections`. */
  absent: Rejection | undefined;
  /** Set when the pod was refused before any node was considered. */
  preFilterMessage: string | undefined;
  /** Names of the plugins that refused: they decide which events are worth a retry. */
  plugins: Set<string>;
}

/** E.g. `0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable.` */
export function describeDiagnosis(diagnosis: Diagnosis, postFilterMessage = ''): string {
  const head = `0/${diagnosis.nodesTotal} nodes are available:`;
  const body =
    diagnosis.preFilterMessage === undefined ? countReasons(diagnosis) : ` ${diagnosis.preFilterMessage}.`;
  return `${head}${body}${postFilterMessage && ` ${postFilterMessage}`}`;
}

function countReasons(diagnosis: Diagnosis): string {
  const counts = new Map<string, number>();
  const count = (rejection: Rejection | undefined, nodes: number) => {
    for (const reason of rejection?.reasons ?? []) counts.set(reason, (counts.get(reason) ?? 0) + nodes);
  };
  for (const [rejection, nodes] of diagnosis.rejections.tally()) count(rejection, nodes);
  const absentNodes = diagnosis.nodesTotal - diagnosis.rejections.size;
  if (absentNodes > 0) count(diagnosis.absent, absentNodes);
  if (counts.size === 0) return '';
  const texts = [...counts].map(([reason, nodes]) => `${nodes} ${reason}`).sort();
  return ` ${texts.join(', ')}.`;
}
