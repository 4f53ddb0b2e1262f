/** Every namespace has a service account `default`. */
import { type Draft, keyOf } from '../../api/meta.ts';
import { Namespace, ServiceAccount } from '../../api/resources.gen.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import { inNamespaceThatStays, isActive } from './namespace-content.ts';

const names = new Set(['default']);

/** The accounts to create. `has`: whether an account of that key is there. */
export function planServiceAccounts(
  namespace: Namespace | undefined,
  has: (key: string) => boolean,
): Draft<ServiceAccount>[] {
  if (!namespace || !isActive(namespace)) return [];
  return [...names]
    .map((name) => ({ metadata: { name, namespace: namespace.metadata.name } }))
    .filter((account) => !has(keyOf(account)));
}

export const serviceAccountController = defineController({
  name: 'serviceaccount',
  reconciles: Namespace,
  concerns: (namespace: Namespace) => !namespace.metadata.deletionTimestamp,
  watches: [
    watch(ServiceAccount, ({ metadata }, old) =>
      old && names.has(metadata.name) ? [metadata.namespace!] : [],
    ),
  ],
  async reconcile(name, cluster, signal) {
    const has = (key: string) => cluster.get(ServiceAccount, key) !== undefined;
    for (const account of planServiceAccounts(cluster.get(Namespace, name), has))
      await inNamespaceThatStays(cluster.create(ServiceAccount, account, signal));
    return undefined;
  },
});
