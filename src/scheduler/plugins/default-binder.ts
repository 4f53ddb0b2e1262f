/** Binds the pod to its node at the API server. */
import { Pod } from '../../api/resources.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Plugin } from '../framework/plugin.ts';

export function defaultBinder(client: Client): Plugin {
  return {
    name: 'DefaultBinder',
    async bind({ pod }, node, signal) {
      const { name, namespace, uid } = pod.metadata;
      const at = { name, ...(namespace && { namespace }) };
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target: { kind: 'Node', name: node.name },
      };
      await client.createSubresource(Pod, at, binding, { subresource: 'binding', signal });
    },
  };
}
