/** A custom resource without a schema, for tests that want any kind which is not built in. */
import type { Draft, ResourceType } from '../../src/api/meta.ts';
import type { CustomResourceDefinition } from '../../src/api/resources.gen.ts';

export const widget: ResourceType = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
};

export const widgetDefinition = definitionOf('widget', 'Widget');
/** A second one. */
export const gadgetDefinition = definitionOf('gadget', 'Gadget');

function definitionOf(singular: string, kind: string): Draft<CustomResourceDefinition> {
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  };
  return {
    metadata: { name: `${singular}s.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: `${singular}s`, kind, singular, listKind: `${kind}List` },
      versions: [version],
    },
  };
}
