/** PodTopologyLabels: a pod carries the zone and the region of its node, so that what runs in it can read them. */
import { type Binding, Node, type Pod } from '../../../api/resources.gen.ts';
import { regionLabel, zoneLabel } from '../../../api/well-known.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { isPodWrite } from '../writes.ts';

const topologyLabels = [zoneLabel, regionLabel];

export function podTopologyLabels(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    operations: ['CREATE'],
    handlesAnyKind: true,
    mutate(attributes) {
      const { object } = attributes;
      const nodeName = nodeNameIn(attributes);
      const labels = nodeName && objects.get(Node, '', nodeName)?.metadata.labels;
      if (!labels || !object) return;
      for (const label of topologyLabels) {
        const value = labels[label];
        if (value === undefined) continue;
        object.metadata.labels ??= {};
        object.metadata.labels[label] = value;
      }
    },
  };
}

/** A binding's labels become those of the pod that it binds. */
function nodeNameIn(attributes: AdmissionAttributes): string | undefined {
  const { operation, object } = attributes;
  if (operation === 'CREATE' && isBinding(attributes)) {
    const { kind, name } = (object as Binding).target ?? {};
    return kind === 'Node' ? name : undefined;
  }
  if (attributes.objectKind || !isPodWrite(attributes, 'CREATE')) return undefined;
  return (object as Pod).spec?.nodeName;
}

function isBinding({ request, object, objectKind }: AdmissionAttributes): boolean {
  const { plural } = request.resource.definition.type;
  return plural === 'pods' && request.subresource === 'binding' && objectKind?.kind === 'Binding' && !!object;
}
