/** Every namespace has a ConfigMap with the cluster's authority, for pods to check the server by. */
import { ConfigMap, Namespace } from '../api/resources.gen.ts';
import { type AnyController, defineController, watch } from '../client/controller.ts';
import { inNamespaceThatStays } from './namespace-content.ts';
import { isActive } from './serviceaccount.ts';

const name = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the ' +
  'internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** `ca`: PEM of the cluster's authority. */
export function rootCaController(ca: string): AnyController {
  return defineController({
    name: 'root_ca_cert_publisher',
    reconciles: Namespace,
    concerns: (namespace: Namespace) => !namespace.metadata.deletionTimestamp,
    watches: [
      watch(ConfigMap, ({ metadata }, old) => (old && metadata.name === name ? [metadata.namespace!] : [])),
    ],
    async reconcile(namespace, cluster, signal) {
      if (!isActive(cluster.get(Namespace, namespace))) return;
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
    },
  });
}
