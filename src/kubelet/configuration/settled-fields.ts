/**
 * Fields of a KubeletConfiguration that have a fixed value here. A file written for another node states many of them
 * with their defaults, which is no reason to refuse it; any other value is refused, as it would silently have no
 * effect.
 */
import { isDeepStrictEqual } from 'node:util';
import { parsePeriodMs } from '../../base/text/go-duration.ts';

/** By field: upstream's default (Kubernetes 1.36), where the node behaves accordingly. */
const settled: Readonly<Record<string, unknown>> = {
  authorization: { mode: 'Webhook' },
  cgroupDriver: 'cgroupfs',
  cgroupsPerQOS: true,
  configMapAndSecretChangeDetectionStrategy: 'Watch',
  containerLogMaxWorkers: 1,
  cpuCFSQuota: true,
  cpuCFSQuotaPeriod: '100ms',
  cpuManagerPolicy: 'none',
  cpuManagerPolicyOptions: {},
  cpuManagerReconcilePeriod: '10s',
  enableControllerAttachDetach: true,
  enableDebuggingHandlers: true,
  enableServer: true,
  enforceNodeAllocatable: ['pods'],
  featureGates: {},
  fileCheckFrequency: '20s',
  httpCheckFrequency: '20s',
  localStorageCapacityIsolation: true,
  logging: {},
  memoryManagerPolicy: 'None',
  memorySwap: {},
  nodeLeaseDurationSeconds: 40,
  nodeStatusMaxImages: 50,
  nodeStatusReportFrequency: '5m0s',
  nodeStatusUpdateFrequency: '10s',
  podsPerCore: 0,
  port: 10250,
  qosReserved: {},
  readOnlyPort: 0,
  registerNode: true,
  reservedMemory: [],
  reservedSystemCPUs: '',
  rotateCertificates: true,
  runtimeRequestTimeout: '2m0s',
  serverTLSBootstrap: true,
  shutdownGracePeriod: '0s',
  shutdownGracePeriodByPodPriority: [],
  shutdownGracePeriodCriticalPods: '0s',
  streamingConnectionIdleTimeout: '4h0m0s',
  syncFrequency: '1m0s',
  topologyManagerPolicy: 'none',
  topologyManagerPolicyOptions: {},
  topologyManagerScope: 'container',
  userNamespaces: { idsPerPod: 65_536 },
  volumeStatsAggPeriod: '1m0s',
};

/** Fields that every Wherry cluster sets itself: addresses, files, names. */
const setByTheCluster: ReadonlySet<string> = new Set([
  'address',
  'authentication',
  'cgroupRoot',
  'clusterDNS',
  'clusterDomain',
  'containerRuntimeEndpoint',
  'healthzBindAddress',
  'healthzPort',
  'imageServiceEndpoint',
  'kubeReservedCgroup',
  'kubeletCgroups',
  'podCIDR',
  'podLogsDir',
  'providerID',
  'resolvConf',
  'systemCgroups',
  'systemReservedCgroup',
  'tlsCertFile',
  'tlsPrivateKeyFile',
  'volumePluginDir',
]);

/** With their values; without those that are empty, which upstream leaves out. */
export function settledFields(): Record<string, unknown> {
  const isEmpty = (value: unknown) =>
    value === '' || value === 0 || (typeof value === 'object' && Object.keys(value as object).length === 0);
  return Object.fromEntries(Object.entries(settled).filter(([, value]) => !isEmpty(value)));
}

/** Why a field that no setting reads cannot have this value; undefined when the value states the actual behaviour. */
export function settledProblem(name: string, value: unknown): string | undefined {
  if (setByTheCluster.has(name))
    return isUnset(value) ? undefined : `${name}: is set by the cluster and cannot be given`;
  if (!Object.hasOwn(settled, name)) return `${name}: not a field that has an effect here`;
  const only = settled[name];
  if (isUnset(value) || isSame(value, only)) return undefined;
  return `${name}: only ${JSON.stringify(only)} is supported`;
}

/** Go's empty values, which upstream replaces by the default; `false` is an explicit choice. */
export function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0) return true;
  if (typeof value === 'string') return parsePeriodMs(value) === 0;
  return typeof value === 'object' && Object.values(value).every(isUnset);
}

/** Durations may be written in several ways, and parts of an object may be empty. */
function isSame(value: unknown, only: unknown): boolean {
  if (typeof value === 'string' && typeof only === 'string') {
    const durationMs = parsePeriodMs(value);
    return value === only || (durationMs !== undefined && durationMs === parsePeriodMs(only));
  }
  return isDeepStrictEqual(withoutUnset(value), only);
}

function withoutUnset(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, part]) => !isUnset(part)));
}
