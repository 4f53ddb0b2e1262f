/** DefaultIngressClass: an ingress that names no class gets the cluster's default. */
import { newestOf } from '../../api/meta.ts';
import { Ingress, IngressClass } from '../../api/resources.gen.ts';
import { defaultIngressClassAnnotation, ingressClassAnnotation } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';

export function defaultIngressClass(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    operations: ['CREATE'],
    resources: [writesOf(Ingress)],
    mutate(attributes) {
      const { metadata, spec } = attributes.object as Ingress;
      if (!spec || spec.ingressClassName !== undefined) return;
      if (metadata.annotations?.[ingressClassAnnotation] !== undefined) return;
      const fallback = newestOf([...objects.list(IngressClass)].filter(isDefault));
      if (fallback) spec.ingressClassName = fallback.metadata.name;
    },
  };
}

function isDefault({ metadata }: IngressClass): boolean {
  return metadata.annotations?.[defaultIngressClassAnnotation] === 'true';
}
