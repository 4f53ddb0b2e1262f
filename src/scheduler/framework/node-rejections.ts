/** Why nodes were refused. */
import type { NodeInfo } from './node-info.ts';
import type { Rejection } from './plugin.ts';

/** A rejection, with the plugin that it comes from. */
export interface Refusal {
  rejection: Rejection;
  plugin: string;
}

export interface NodeRefusals {
  /** How many nodes refused. */
  readonly size: number;
  /** How many nodes gave each rejection: there are few different ones. */
  tally(): Iterable<readonly [Rejection, number]>;
  entries(): Iterable<readonly [NodeInfo, Rejection]>;
  /** For a single query; loops use {@link NodeRefusals.entries}. */
  get(nodeName: string): Rejection | undefined;
}

/** In the order of evaluation: quick to fill for thousands of nodes. */
export class NodeRejections implements NodeRefusals {
  readonly #nodes: NodeInfo[] = [];
  /** At the same positions. */
  readonly #rejections: Rejection[] = [];

  add(node: NodeInfo, rejection: Rejection): void {
    this.#nodes.push(node);
    this.#rejections.push(rejection);
  }

  get size(): number {
    return this.#nodes.length;
  }

  tally(): Iterable<readonly [Rejection, number]> {
    const counts = new Map<Rejection, number>();
    for (const rejection of this.#rejections) counts.set(rejection, (counts.get(rejection) ?? 0) + 1);
    return counts;
  }

  *entries(): Iterable<readonly [NodeInfo, Rejection]> {
    for (const [index, node] of this.#nodes.entries()) yield [node, this.#rejections[index]!];
  }

  get(nodeName: string): Rejection | undefined {
    return this.#rejections[this.#nodes.findIndex(({ name }) => name === nodeName)];
  }
}
