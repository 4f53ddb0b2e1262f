/** Queries the nodes' agents for the usage of containers, but only while there is demand. */
import { Node, Pod } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ObjectReader } from '../object-reader.ts';
import { freshForMs, ScrapeLoop } from './scrape-loop.ts';

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

/** Returns the parsed `/stats/summary` of a node's agent. */
export type ReadSummary = (nodeName: string, signal: AbortSignal) => Promise<unknown>;

export interface NodeScraperOptions {
  objects: ObjectReader;
  readSummary: ReadSummary;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

const scrapeTimeoutMs = 10_000;
/** The longest that a client waits for a pod that has just started. */
const catchUpTimeoutMs = 2_000;
/** The shortest time between two extra queries of a node. */
const catchUpGapMs = 1_000;
/** For this long after its start a container may have no readings yet. */
const silentStartMs = 5_000;

export class NodeScraper {
  readonly #options: NodeScraperOptions;
  readonly #nodes = new Map<string, NodeHistory>();
  /** When each node was read last, on the clock that never jumps. */
  readonly #readMs = new Map<string, number>();
  readonly #loop: ScrapeLoop;
  /** Nodes with an extra query under way, or a moment ago. */
  readonly #catchUps = new Map<string, { sinceMs: number; done: Promise<void> }>();

  constructor(options: NodeScraperOptions) {
    this.#options = options;
    this.#loop = new ScrapeLoop({
      clock: options.clock,
      signal: options.signal,
      scrape: () => this.#scrapeAll(),
      forget: () => this.#nodes.clear(),
    });
  }

  /**
   * What is known of every node that answers, by name; waits a little when nothing is known yet, or nothing of a pod
   * that has just started: in the namespace, or in any.
   */
  async read(namespace = ''): Promise<ReadonlyMap<string, NodeHistory>> {
    await this.#loop.ready();
    const late = nodesWithNews(this.#options.objects.list(Pod, namespace || undefined), this.#nodes);
    await Promise.all([...late].map((name) => this.#catchUp(name)));
    const nowMs = this.#options.clock.monotonic();
    const isFresh = (name: string) => nowMs - (this.#readMs.get(name) ?? 0) <= freshForMs;
    return new Map([...this.#nodes].filter(([name]) => isFresh(name)));
  }

  #catchUp(name: string): Promise<void> {
    const nowMs = this.#options.clock.monotonic();
    const known = this.#catchUps.get(name);
    if (known && nowMs - known.sinceMs < catchUpGapMs) return known.done;
    const done = this.#readNode(name, catchUpTimeoutMs, (reading) => {
      const pods = this.#nodes.get(name)?.now.pods;
      // The others keep the reading that their rate is counted from.
      if (pods) for (const [key, pod] of reading.pods) if (!pods.has(key)) pods.set(key, pod);
    });
    this.#catchUps.set(name, { sinceMs: nowMs, done });
    return done;
  }

  async #scrapeAll(): Promise<void> {
    const { objects } = this.#options;
    const names = new Set<string>();
    const reads: Promise<void>[] = [];
    for (const { metadata, status } of objects.list(Node)) {
      // Nodes without an agent's server (simulated ones) have no readings.
      if (!status?.daemonEndpoints?.kubeletEndpoint?.Port) continue;
      names.add(metadata.name);
      reads.push(
        this.#readNode(metadata.name, scrapeTimeoutMs, (reading) => this.#remember(metadata.name, reading)),
      );
    }
    await Promise.all(reads);
    for (const known of [this.#nodes, this.#readMs, this.#catchUps])
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  }

  async #readNode(name: string, timeoutMs: number, use: (reading: NodeReading) => void): Promise<void> {
    const { readSummary, logger, signal } = this.#options;
    try {
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      use(parseSummary(await readSummary(name, timeout)));
    } catch (error) {
      // Also of an answer that makes no sense: it comes from outside.
      logger.debug('a node gives no statistics', { node: name, error });
    }
  }

  #remember(name: string, now: NodeReading): void {
    this.#nodes.set(name, { before: this.#nodes.get(name)?.now, now });
    this.#readMs.set(name, this.#options.clock.monotonic());
  }
}

/** Nodes on which a pod runs that has begun since they were read. Pure. */
function nodesWithNews(pods: Iterable<Pod>, nodes: ReadonlyMap<string, NodeHistory>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { metadata, spec, status } of pods) {
    const now = nodes.get(spec?.nodeName ?? '')?.now;
    if (!now || now.pods.has(`${metadata.namespace}/${metadata.name}`)) continue;
    const hasBegun = status?.containerStatuses?.some(
      ({ state }) => Date.parse(state?.running?.startedAt ?? '') > now.node.atMs - silentStartMs,
    );
    if (hasBegun) names.add(spec!.nodeName!);
  }
  return names;
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
      // An incomplete answer (of a container that has just started) does not count.
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
