/** The options of an API server. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Store } from '../storage/store.ts';
import type { FrontProxyIdentity } from './aggregation/backend.ts';
import type { AuditPolicy } from './audit/policy.ts';
import type { AuthorizationMetrics } from './metrics/authorization-metrics.ts';
import type { NodeAccess } from './nodes/node-connector.ts';
import type { DialService } from './outgoing/dial-service.ts';
import type { SecurityOptions } from './security.ts';
import type { PortRange } from './services/service-allocation.ts';

export interface ApiServerOptions {
  store: Store;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** True when other API servers write to the same store. */
  sharedStore?: boolean;
  /** For log, exec, attach, portforward and proxy: what the server shows to the nodes' agents, if there are any. */
  nodes?: NodeAccess;
  /** Reaches webhooks that are Services of the cluster. */
  dialService?: DialService;
  /** Concurrent requests; upstream's default when absent. */
  requestSeats?: number;
  /** Bytes of all bodies of requests whose turn has not come; 128 MiB when absent. */
  requestBodyBytesMax?: number;
  /** The time that an ordinary request has; upstream's default when absent. */
  requestTimeoutMs?: number;
  /** Nothing is audited when absent. */
  audit?: { policy: AuditPolicy; write(line: string): void };
  /** Shown to aggregated API servers. */
  frontProxy?: FrontProxyIdentity;
  security?: SecurityOptions;
  /** Also used by those who create authorizers for this server's chain. */
  authorizationMetrics?: AuthorizationMetrics;
  /** Where pods reach this server; the listener's own address unless set. */
  advertiseAddress?: string;
  /** Addresses of services: 10.96.0.0/12 unless set. */
  serviceCidr?: string;
  /** Ports of NodePort services: 30000-32767 unless set. */
  nodePorts?: PortRange;
}
