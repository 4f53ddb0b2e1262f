/** Every namespace has a ConfigMap with the cluster's certificate authority, by which pods verify the server. */
import { ConfigMap, Namespace } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { inNamespaceThatStays } from './namespace-content.ts';
import { isActive } from './serviceaccount.ts';

const name = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the ' +
  'internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

const rootCaMetricsOf = metricsPerRegistry((registry) => {
  const help = 'Number of namespace syncs happened in root ca cert publisher.';
  return {
    syncs: registry.counter('root_ca_cert_publisher_sync_total', help),
    durations: registry.histogram(
      'root_ca_cert_publisher_sync_duration_seconds',
      help,
      exponentialBuckets(0.001, 2, 15),
    ),
  };
});

/** `ca`: PEM of the cluster's certificate authority. */
export function rootCaController(ca: string): AnyController {
  return defineController({
    name: 'root_ca_cert_publisher',
    reconciles: Namespace,
    concerns: (namespace: Namespace) => !namespace.metadata.deletionTimestamp,
    watches: [
      watch(ConfigMap, ({ metadata }, old) => (old && metadata.name === name ? [metadata.namespace!] : [])),
    ],
    metrics: rootCaMetricsOf,
    async reconcile(namespace, cluster, signal) {
      if (isActive(cluster.get(Namespace, namespace)))
        await measured(cluster, publish(ca, namespace, cluster, signal));
      return undefined;
    },
  });
}

async function publish(
  ca: string,
  namespace: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const wanted = { 'ca.crt': ca };
  const present = cluster.get(ConfigMap, `${namespace}/${name}`);
  if (!present) {
    const annotations = { 'kubernetes.io/description': description };
    const metadata = { name, namespace, annotations };
    await inNamespaceThatStays(cluster.create(ConfigMap, { metadata, data: wanted }, signal));
    return;
  }
  const isSame = present.data?.['ca.crt'] === ca && Object.keys(present.data).length === 1;
  if (!isSame) await cluster.update(ConfigMap, { ...present, data: wanted }, signal);
}

async function measured({ clock, metrics }: ReconcileCluster, work: Promise<void>): Promise<void> {
  const { syncs, durations } = rootCaMetricsOf(metrics);
  const startMs = clock.monotonic();
  let code = '200';
  try {
    await work;
  } catch (error) {
    code = String(error instanceof StatusError ? error.code : 500);
    throw error;
  } finally {
    syncs.add(1, { code });
    durations.observe((clock.monotonic() - startMs) / 1000, { code });
  }
}
