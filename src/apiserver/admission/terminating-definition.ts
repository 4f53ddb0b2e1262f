/** Nothing new of a custom resource whose definition is going away: it would keep the definition from ending. */
import { CustomResourceDefinition } from '../../api/resources.gen.ts';
import { forbidden } from '../../api/status.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';

export function terminatingDefinition(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'CustomResourceDefinitionTerminating',
    operations: ['CREATE'],
    mutate({ operation, request, object }) {
      const { resource } = request;
      if (!resource.isCustom || operation !== 'CREATE') return;
      const definition = objects.get(CustomResourceDefinition, '', `${resource.plural}.${resource.group}`);
      if (!definition?.metadata.deletionTimestamp) return;
      const name = request.name || object?.metadata.name || '';
      const why = 'create not allowed while custom resource definition is terminating';
      throw forbidden(resource, name, why);
    },
  };
}
