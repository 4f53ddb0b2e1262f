/**
 * Verdicts of nodes on pods of one shape, kept until the node changes. Stored by the node's position in the snapshot's
 * list, in plain arrays: iterating over thousands of nodes that have all refused must cost next to nothing.
 */
import type { NodeInfo } from './node-info.ts';
import type { NodeRefusals, Refusal } from './node-rejections.ts';
import { OpenSlots } from './open-slots.ts';
import type { Rejection } from './plugin.ts';

/** What a plugin remembers in addition, by the same positions. */
export interface Companion {
  forget(slot: number): void;
}

export class ShapeMemory implements NodeRefusals {
  readonly nodes: readonly NodeInfo[];
  /** NaN: unknown. */
  readonly scores: Float64Array;
  /** 1: known to fit. */
  readonly #fits: Uint8Array;
  /** Nodes that do not refuse, as far as is known. */
  readonly #open: OpenSlots;
  readonly #refusals: (Refusal | undefined)[];
  readonly #tally = new Map<Rejection, number>();
  readonly #blame = new Map<string, number>();
  readonly #companions = new Map<string, Companion>();

  constructor(nodes: readonly NodeInfo[]) {
    this.nodes = nodes;
    this.scores = new Float64Array(nodes.length).fill(Number.NaN);
    this.#fits = new Uint8Array(nodes.length);
    this.#open = new OpenSlots(nodes.length);
    this.#refusals = new Array<Refusal | undefined>(nodes.length).fill(undefined);
  }

  isRefused(slot: number): boolean {
    return !this.#open.isOpen(slot);
  }

  /** Nodes from `start` on that have not refused, when they are few. */
  fewOpenFrom(start: number): readonly number[] | undefined {
    return this.#open.fewFrom(start);
  }

  /** The refusal, `fits`, or undefined when the node was not evaluated since it changed. */
  recall(slot: number): Refusal | 'fits' | undefined {
    return this.#refusals[slot] ?? (this.#fits[slot] === 1 ? 'fits' : undefined);
  }

  rejectionAt(slot: number): Rejection | undefined {
    return this.#refusals[slot]?.rejection;
  }

  note(slot: number, refusal: Refusal | undefined): void {
    this.#clearVerdict(slot);
    if (!refusal) {
      this.#fits[slot] = 1;
      return;
    }
    this.#refusals[slot] = refusal;
    this.#open.close(slot);
    add(this.#tally, refusal.rejection, 1);
    add(this.#blame, refusal.plugin, 1);
  }

  /** The node has changed. */
  forget(slot: number): void {
    this.#clearVerdict(slot);
    this.scores[slot] = Number.NaN;
    for (const companion of this.#companions.values()) companion.forget(slot);
  }

  companion<T extends Companion>(name: string, make: () => T): T {
    let companion = this.#companions.get(name) as T | undefined;
    if (!companion) {
      companion = make();
      this.#companions.set(name, companion);
    }
    return companion;
  }

  /** How many nodes refuse. */
  get size(): number {
    return this.nodes.length - this.#open.size;
  }

  tally(): Iterable<readonly [Rejection, number]> {
    return this.#tally;
  }

  /** The plugins that refuse some node. */
  blamed(): Iterable<string> {
    return this.#blame.keys();
  }

  get(nodeName: string): Rejection | undefined {
    return this.#refusals.find((refusal, slot) => refusal && this.nodes[slot]!.name === nodeName)?.rejection;
  }

  *entries(): Iterable<readonly [NodeInfo, Rejection]> {
    for (const [slot, refusal] of this.#refusals.entries())
      if (refusal) yield [this.nodes[slot]!, refusal.rejection];
  }

  #clearVerdict(slot: number): void {
    this.#fits[slot] = 0;
    const refusal = this.#refusals[slot];
    if (!refusal) return;
    this.#refusals[slot] = undefined;
    this.#open.open(slot);
    add(this.#tally, refusal.rejection, -1);
    add(this.#blame, refusal.plugin, -1);
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

/** Memories of the most recent shapes. */
export class ShapeMemories {
  readonly #byShape = new Map<number, ShapeMemory>();
  #latest: { shape: number; memory: ShapeMemory } | undefined;

  of(shape: number, nodes: readonly NodeInfo[]): ShapeMemory {
    if (this.#latest?.shape === shape) return this.#latest.memory;
    const memory = this.#byShape.get(shape) ?? new ShapeMemory(nodes);
    this.#byShape.delete(shape);
    this.#byShape.set(shape, memory);
    if (this.#byShape.size > memoriesMax) this.#byShape.delete(this.#byShape.keys().next().value!);
    this.#latest = { shape, memory };
    return memory;
  }

  forget(slot: number): void {
    for (const memory of this.#byShape.values()) memory.forget(slot);
  }

  /** The positions of the nodes have changed. */
  clear(): void {
    this.#byShape.clear();
    this.#latest = undefined;
  }
}

/** The number of shapes; each takes some 20 bytes per node, and a little time whenever a node changes. */
const memoriesMax = 16;
