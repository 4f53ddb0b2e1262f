/** Every namespace has a ConfigMap with the cluster's certificate authority, by which pods verify the server. */
import { isDeepStrictEqual } from 'node:util';
import type { Draft } from '../../api/meta.ts';
import { ConfigMap, Namespace } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { inNamespaceThatStays, isActive } from './namespace-content.ts';

const configMap = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
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
      watch(ConfigMap, ({ metadata }, old) =>
        old && metadata.name === configMap ? [metadata.namespace!] : [],
      ),
    ],
    metrics: rootCaMetricsOf,
    async reconcile(name, cluster, signal) {
      if (!isActive(cluster.get(Namespace, name))) return undefined;
      const plan = planRootCa(name, cluster.get(ConfigMap, `${name}/${configMap}`), ca);
      await measured(cluster, publish(plan, cluster, signal));
      return undefined;
    },
  });
}

export interface RootCaPlan {
  create?: Draft<ConfigMap>;
  update?: ConfigMap;
}

/** What brings the ConfigMap of a namespace up to date; its description may be another, but not missing. */
export function planRootCa(namespace: string, present: ConfigMap | undefined, ca: string): RootCaPlan {
  const data = { 'ca.crt': ca };
  if (!present) {
    const annotations = { [descriptionAnnotation]: description };
    return { create: { metadata: { name: configMap, namespace, annotations }, data } };
  }
  const { annotations } = present.metadata;
  if (isDeepStrictEqual(present.data, data) && annotations?.[descriptionAnnotation]) return {};
  const metadata = {
    ...present.metadata,
    annotations: { ...annotations, [descriptionAnnotation]: description },
  };
  return { update: { ...present, metadata, data } };
}

async function publish(
  { create, update }: RootCaPlan,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  if (create) await inNamespaceThatStays(cluster.create(ConfigMap, create, signal));
  if (update) await cluster.update(ConfigMap, update, signal);
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
