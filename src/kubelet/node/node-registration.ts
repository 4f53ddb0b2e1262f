/** The node's object at the API: created once, with its status kept up to date. */
import { Node } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { conditionEventReason, type NodeHealth, nodeConditions } from './node-conditions.ts';

export interface NodeReport {
  health: NodeHealth;
  addresses: core.NodeAddress[];
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
  nodeInfo: core.NodeSystemInfo;
  images: core.ContainerImage[];
  kubeletPort: number;
  runtimeHandlers: core.NodeRuntimeHandler[];
  features?: core.NodeFeatures;
  volumesInUse: string[];
}

export interface NodeRegistrationOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  recorder: EventRecorder;
  nodeName: string;
  labels: Record<string, string>;
  taints: core.Taint[];
  unschedulable?: boolean;
  providerId?: string;
  /** Observes the machine and the runtime. */
  report: () => Promise<NodeReport>;
}

/** Attaching volumes to this node is up to the controllers. */
const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };

/** How often the machine is observed, and how often a status is written that differs in heartbeats only. */
const lookMs = 10_000;
const writeMs = 300_000;
const notReadyLookMs = 100;
const retry = { firstMs: 100, maxMs: 7_000 };

export class NodeRegistration {
  readonly #options: NodeRegistrationOptions;
  #node: Node | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  /** As last reported: a node that was cordoned before this agent started is reported again. */
  #isUnschedulable = false;
  #isRebootReported = false;
  #wake: (() => void) | undefined;
  /** A change during an observation may have come too late for it. */
  #isRefreshDue = false;

  constructor(options: NodeRegistrationOptions) {
    this.#options = options;
  }

  /** The newest version known. */
  get node(): Node | undefined {
    return this.#node;
  }

  noteServerNode(node: Node): void {
    this.#node = node;
    const { unschedulable = false } = node.spec ?? {};
    if (unschedulable === this.#isUnschedulable) return;
    this.#isUnschedulable = unschedulable;
    this.#recordStatus(unschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable');
  }

  #recordStatus(reason: string): void {
    this.#record('Normal', reason, `Node ${this.#options.nodeName} status is now: ${reason}`);
  }

  #record(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { recorder, nodeName } = this.#options;
    recorder.event({ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName }, type, reason, message);
  }

  /** Requests an observation now, or right after the present one. */
  refresh(): void {
    this.#isRefreshDue = true;
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    await this.#register(signal);
    for (let attempt = 0; !signal.aborted; ) {
      let waitMs = lookMs;
      this.#isRefreshDue = false;
      try {
        const isReady = await this.#update(signal);
        if (!isReady)
          waitMs = Math.min(
            lookMs,
            backoffDelayMs({ firstMs: notReadyLookMs, maxMs: 1000 }, Math.min(attempt++, 4)),
          );
        else attempt = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isNotFound(error)) {
          this.#node = undefined;
          await this.#register(signal);
          continue;
        }
        logger.warn('the node status could not be written', { error });
        waitMs = backoffDelayMs(retry, Math.min(attempt++, 8));
      }
      // After a failure the full delay applies: whatever changed is seen when it is over.
      if (waitMs < lookMs || !this.#isRefreshDue) await this.#sleep(waitMs, signal);
    }
  }

  #sleep(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = this.#options.clock.after(waitMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { clock, logger, client, nodeName, labels, taints, unschedulable, providerId } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const report = await this.#options.report();
        const spec: core.NodeSpec = {
          ...(taints.length > 0 && { taints }),
          ...(unschedulable && { unschedulable }),
          ...(providerId && { providerID: providerId }),
        };
        const status = this.#statusOf(report, []);
        try {
          this.#node = await client.create(
            Node,
            { metadata: { name: nodeName, labels, annotations }, spec, status },
            { signal },
          );
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
          this.#node = await this.#reconcile(await client.get(Node, { name: nodeName }, signal), signal);
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('the node could not be registered', { error });
        await pause(clock, backoffDelayMs(retry, Math.min(attempt, 8)), signal);
      }
    }
  }

  /** A node that was registered before keeps what others have set; its own fields are updated. */
  async #reconcile(found: Node, signal: AbortSignal): Promise<Node> {
    const { client, nodeName, labels } = this.#options;
    const wanted = { labels, annotations };
    const isThere = (['labels', 'annotations'] as const).every((field) =>
      Object.entries(wanted[field]).every(([key, value]) => found.metadata[field]?.[key] === value),
    );
    if (isThere) return found;
    const patch = { metadata: wanted };
    return client.patch(Node, { name: nodeName }, patch, { type: 'strategic', signal });
  }

  /** True when the node is ready. */
  async #update(signal: AbortSignal): Promise<boolean> {
    const { client, clock, nodeName } = this.#options;
    const report = await this.#options.report();
    const before = this.#node?.status ?? {};
    const status = this.#statusOf(report, before.conditions ?? []);
    // Extended resources that a client patched into the capacity stay, and are allocatable in full.
    const extended = extendedResources(before.capacity);
    status.capacity = { ...extended, ...status.capacity };
    status.allocatable = { ...extended, ...status.allocatable };
    const isDue = clock.monotonic() - this.#writtenMs >= writeMs;
    const isReady = report.health.problems.length === 0;
    if (!isDue && isSameStatus(before, status)) return isReady;
    const conditions = status.conditions ?? [];
    for (const condition of conditions) {
      const old = before.conditions?.find(({ type }) => type === condition.type);
      // The first write reports everything, except that a new node is not ready yet.
      const isFirst = this.#writtenMs === Number.NEGATIVE_INFINITY;
      const isNotReady = condition.type === 'Ready' && condition.status === 'False';
      if ((!isFirst || isNotReady) && old?.status === condition.status) continue;
      this.#recordStatus(conditionEventReason(condition));
    }
    this.#noteReboot(before.nodeInfo?.bootID, status.nodeInfo?.bootID);
    const volumesInUse = status.volumesInUse ?? (before.volumesInUse && null);
    const patch = {
      status: {
        ...status,
        addresses: replaceAll(status.addresses ?? []),
        ...(volumesInUse !== undefined && { volumesInUse }),
      },
    };
    this.#node = await client.patch(Node, { name: nodeName }, patch, {
      type: 'strategic',
      subresource: 'status',
      signal,
    });
    this.#writtenMs = clock.monotonic();
    return isReady;
  }

  /** Once: the write that reports the new boot may have to be repeated. */
  #noteReboot(before: string | undefined, bootId: string | undefined): void {
    if (!before || !bootId || before === bootId || this.#isRebootReported) return;
    this.#isRebootReported = true;
    this.#record(
      'Warning',
      'Rebooted',
      `Node ${this.#options.nodeName} has been rebooted, boot id: ${bootId}`,
    );
  }

  #statusOf(report: NodeReport, before: readonly core.NodeCondition[]): core.NodeStatus {
    const nowText = formatTime(this.#options.clock.now());
    return {
      addresses: report.addresses,
      capacity: report.capacity,
      allocatable: report.allocatable,
      conditions: nodeConditions(report.health, before, nowText),
      daemonEndpoints: { kubeletEndpoint: { Port: report.kubeletPort } },
      images: report.images,
      nodeInfo: report.nodeInfo,
      runtimeHandlers: report.runtimeHandlers,
      declaredFeatures: [...declaredFeatures],
      ...(report.features && { features: report.features }),
      ...(report.volumesInUse.length > 0 && { volumesInUse: report.volumesInUse }),
    };
  }
}

/** What the kubelet supports that other versions do not; read by those who depend on it. Sorted. */
const declaredFeatures = [
  'ExtendWebSocketsToKubelet',
  'InPlacePodLevelResourcesVerticalScaling',
  'InPlacePodVerticalScalingInitContainers',
  'RestartAllContainersOnContainerExits',
];

function replaceAll(addresses: readonly core.NodeAddress[]): unknown[] {
  return [...addresses, { $patch: 'replace' }];
}

function extendedResources(map: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([name]) => name.includes('/')));
}

/** Whether nothing but heartbeats differs. */
function isSameStatus(before: core.NodeStatus, now: core.NodeStatus): boolean {
  const essence = ({
    conditions = [],
    addresses,
    capacity = {},
    allocatable = {},
    images = [],
    nodeInfo,
    volumesInUse = [],
  }: core.NodeStatus) =>
    JSON.stringify([
      conditions.map(({ type, status, reason, message }) => [type, status, reason, message]).sort(),
      (addresses ?? []).map(({ type, address }) => `${type}=${address}`),
      Object.entries(capacity).sort(),
      Object.entries(allocatable).sort(),
      // Null where all names of an image have moved to another.
      images.map(({ names }) => names ?? []),
      volumesInUse,
      Object.entries(nodeInfo ?? {})
        .filter(([, value]) => typeof value === 'string' && value !== '')
        .sort(),
    ]);
  const ownTypes = new Set((now.conditions ?? []).map(({ type }) => type));
  const own = (before.conditions ?? []).filter(({ type }) => ownTypes.has(type));
  return essence({ ...before, conditions: own }) === essence(now);
}
