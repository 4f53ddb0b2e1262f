/** DefaultIngressClass: an ingress that names no class gets the cluster's default. */
import { Ingress, IngressClass } from '../../api/resources.gen.ts';
import { ingressClassAnnotation } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isWriteOf } from './pod-write.ts';

const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class';

export function defaultIngressClass(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    operations: ['CREATE'],
    mutate(attributes) {
      if (!isWriteOf(attributes, Ingress, 'CREATE')) return;
      const { metadata, spec } = attributes.object as Ingress;
      if (!spec || spec.ingressClassName !== undefined) return;
      if (metadata.annotations?.[ingressClassAnnotation] !== undefined) return;
      const defaults = [...objects.list(IngressClass)].filter(
        (candidate) => candidate.metadata.annotations?.[defaultAnnotation] === 'true',
      );
      if (defaults.length === 0) return;
      defaults.sort(
        (a, b) =>
          b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp) ||
          a.metadata.name.localeCompare(b.metadata.name),
      );
      spec.ingressClassName = defaults[0]!.metadata.name;
    },
  };
}
