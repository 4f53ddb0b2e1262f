/** Asks the nodes' agents what containers use, only while somebody wants to know. */
import { Node } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ObjectReader } from '../object-reader.ts';
import { ScrapeLoop } from './scrape-loop.ts';

/** What a counter and a gauge said at one moment. */
export interface Reading {
  atMs: number;
  /** Since the start of what is measured. */
  cpuNanoseconds: number;
  memoryBytes: number;
  /** When what is measured began. */
  startMs: number;
}

export interface PodReading {
  namespace: string;
  name: string;
  /** By container. */
  containers: Map<string, Reading>;
}

export interface NodeReading {
  node: Reading;
  /** By `namespace/name`. */
  pods: Map<string, PodReading>;
}

/** The last two readings of a node. */
export interface NodeHistory {
  before: NodeReading | undefined;
  now: NodeReading;
}

/** Gives the parsed `/stats/summary` of a node's agent. */
export type ReadSummary = (nodeName: string, signal: AbortSignal) => Promise<unknown>;

export interface NodeScraperOptions {
  objects: ObjectReader;
  readSummary: ReadSummary;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

const scrapeTimeoutMs = 10_000;

export class NodeScraper {
  readonly #options: NodeScraperOptions;
  readonly #nodes = new Map<string, NodeHistory>();
  readonly #loop: ScrapeLoop;

  constructor(options: NodeScraperOptions) {
    this.#options = options;
    this.#loop = new ScrapeLoop({
      clock: options.clock,
      signal: options.signal,
      scrape: () => this.#scrapeAll(),
      forget: () => this.#nodes.clear(),
    });
  }

  /** What is known of every node, by name; waits a moment when nothing is known yet. */
  async read(): Promise<ReadonlyMap<string, NodeHistory>> {
    await this.#loop.ready();
    return this.#nodes;
  }

  async #scrapeAll(): Promise<void> {
    const { objects, readSummary, logger, signal } = this.#options;
    const names = new Set<string>();
    const reads: Promise<void>[] = [];
    for (const { metadata, status } of objects.list(Node)) {
      // Nodes without an agent's server (simulated ones) have nothing to tell.
      if (!status?.daemonEndpoints?.kubeletEndpoint?.Port) continue;
      names.add(metadata.name);
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(scrapeTimeoutMs)]);
      reads.push(
        readSummary(metadata.name, timeout)
          .then((summary) => this.#remember(metadata.name, parseSummary(summary)))
          // Also of an answer that makes no sense: it comes from outside.
          .catch((error: unknown) =>
            logger.debug('a node gives no statistics', { node: metadata.name, error }),
          ),
      );
    }
    await Promise.all(reads);
    for (const name of this.#nodes.keys()) if (!names.has(name)) this.#nodes.delete(name);
  }

  #remember(name: string, now: NodeReading): void {
    this.#nodes.set(name, { before: this.#nodes.get(name)?.now, now });
  }
}

interface SummaryPart {
  startTime?: string;
  cpu?: { time?: string; usageCoreNanoSeconds?: number };
  memory?: { workingSetBytes?: number };
}

interface SummaryShape {
  node?: SummaryPart;
  pods?: {
    podRef: { name: string; namespace: string };
    containers?: (SummaryPart & { name: string })[];
  }[];
}

function parseSummary(summary: unknown): NodeReading {
  const { node = {}, pods = [] } = summary as SummaryShape;
  const read = new Map<string, PodReading>();
  for (const { podRef, containers = [] } of pods) {
    const readings = new Map<string, Reading>();
    for (const container of containers) {
      const { cpu, memory } = container;
      // Half of an answer (a container that has just started) is none.
      if (cpu?.usageCoreNanoSeconds === undefined || memory?.workingSetBytes === undefined) continue;
      readings.set(container.name, readingOf(container));
    }
    if (readings.size > 0)
      read.set(`${podRef.namespace}/${podRef.name}`, {
        namespace: podRef.namespace,
        name: podRef.name,
        containers: readings,
      });
  }
  return { node: readingOf(node), pods: read };
}

function readingOf({ startTime, cpu, memory }: SummaryPart): Reading {
  return {
    atMs: Date.parse(cpu?.time ?? '') || 0,
    cpuNanoseconds: cpu?.usageCoreNanoSeconds ?? 0,
    memoryBytes: memory?.workingSetBytes ?? 0,
    startMs: Date.parse(startTime ?? '') || 0,
  };
}

/** Cores used on average between two readings, in billionths; since its start for what is new. */
export function cpuRate(
  before: Reading | undefined,
  now: Reading,
): { nanocores: number; windowMs: number } | undefined {
  const isSame =
    before !== undefined && before.startMs === now.startMs && now.cpuNanoseconds >= before.cpuNanoseconds;
  const windowMs = isSame ? now.atMs - before.atMs : now.atMs - now.startMs;
  if (windowMs <= 0) return undefined;
  const used = isSame ? now.cpuNanoseconds - before.cpuNanoseconds : now.cpuNanoseconds;
  return { nanocores: Math.max(0, Math.round(used / (windowMs / 1000))), windowMs };
}
