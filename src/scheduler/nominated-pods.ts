/** Nominated pods: those for which preemption is making room on a node. */
import type { PodInfo } from './framework/pod-info.ts';

const nobody: readonly PodInfo[] = [];

export class NominatedPods {
  readonly #byNode = new Map<string, PodInfo[]>();
  readonly #nodeOf = new Map<string, string>();

  on(nodeName: string): readonly PodInfo[] {
    return this.#byNode.get(nodeName) ?? nobody;
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodeOf.get(uid);
  }

  /** An empty name withdraws. */
  set(info: PodInfo, nodeName: string): void {
    this.remove(info.uid);
    if (!nodeName) return;
    this.#nodeOf.set(info.uid, nodeName);
    this.#byNode.set(nodeName, [...this.on(nodeName), info]);
  }

  remove(uid: string): void {
    const nodeName = this.#nodeOf.get(uid);
    if (nodeName === undefined) return;
    this.#nodeOf.delete(uid);
    const rest = this.on(nodeName).filter((info) => info.uid !== uid);
    if (rest.length > 0) this.#byNode.set(nodeName, rest);
    else this.#byNode.delete(nodeName);
  }
}
