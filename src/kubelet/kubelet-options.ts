/** The options of a kubelet. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events/event-recorder.ts';
import type { InformerFactory } from '../client/informers/informer.ts';
import type { KubeletConfiguration } from './configuration/configuration.ts';
import type { TrafficRules } from './context.ts';
import type { ContainerRuntime } from './cri/runtime.ts';
import type { Machine } from './machine.ts';

export interface KubeletOptions {
  client: Client;
  /** Of this client; stops with the kubelet's signal or later. Simulated nodes of one process may share one. */
  informers: InformerFactory;
  runtime: ContainerRuntime;
  machine: Machine;
  nodeName: string;
  nodeIps: readonly string[];
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Of component `kubelet` and this node. */
  recorder: EventRecorder;
  clusterDns: readonly string[];
  clusterDomain: string;
  labels?: Record<string, string>;
  configuration?: KubeletConfiguration;
  /** Where its server listens; absent on nodes that have none (simulated ones). */
  kubeletPort?: number;
  seccompRoot?: string;
  version?: string;
  /**
   * Awaited when a pod has its addresses (see `PodSet.addressed`), before its first container starts. Absent: nothing
   * is awaited.
   */
  trafficRules?: TrafficRules;
}
