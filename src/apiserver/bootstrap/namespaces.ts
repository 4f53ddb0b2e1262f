/** The namespaces that every cluster has. */
import { Namespace } from '../../api/resources.gen.ts';
import { ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';

const systemNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export async function ensureNamespaces(registry: Registry): Promise<void> {
  for (const name of systemNamespaces)
    await ensureObject(registry, Namespace, { metadata: { name }, spec: {}, status: {} });
}
