/** Why nodes were refused, in the order in which they were looked at: quick to fill for thousands of nodes. */
import type { NodeInfo } from './node-info.ts';
import type { Rejection } from './plugin.ts';

export class NodeRejections {
  readonly nodes: NodeInfo[] = [];
  /** At the same places. */
  readonly rejections: Rejection[] = [];

  add(node: NodeInfo, rejection: Rejection): void {
    this.nodes.push(node);
    this.rejections.push(rejection);
  }

  get size(): number {
    return this.nodes.length;
  }

  /** For a single question; a loop goes over the lists. */
  get(nodeName: string): Rejection | undefined {
    return this.rejections[this.nodes.findIndex(({ name }) => name === nodeName)];
  }
}
