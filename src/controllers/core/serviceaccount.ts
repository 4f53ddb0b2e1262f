/** Every namespace has a service account `default`. */
import { keyOf } from '../../api/meta.ts';
import { Namespace, ServiceAccount } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { inNamespaceThatStays } from './namespace-content.ts';

const names = new Set(['default']);

export const serviceAccountController = defineController({
  name: 'serviceaccount',
  reconciles: Namespace,
  concerns: (namespace: Namespace) => !namespace.metadata.deletionTimestamp,
  watches: [
    watch(ServiceAccount, ({ metadata }, old) =>
      old && names.has(metadata.name) ? [metadata.namespace!] : [],
    ),
  ],
  async reconcile(namespace, cluster, signal) {
    if (!isActive(cluster.get(Namespace, namespace))) return;
    for (const name of names) {
      const metadata = { name, namespace };
      if (cluster.get(ServiceAccount, keyOf({ metadata }))) continue;
      await inNamespaceThatStays(cluster.create(ServiceAccount, { metadata }, signal));
    }
  },
});

export function isActive(namespace: Namespace | undefined): boolean {
  return namespace?.status?.phase === 'Active' && !namespace.metadata.deletionTimestamp;
}
