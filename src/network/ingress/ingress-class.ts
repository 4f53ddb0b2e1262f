/** The classes whose Ingresses this controller serves. */
import type { Ingress, IngressClass } from '../../api/resources.gen.ts';
import { ingressClassAnnotation } from '../../api/well-known.ts';

/** That of ingress-nginx, whose annotations are understood. */
export const controllerName = 'k8s.io/ingress-nginx';

/** Ingresses that this controller serves: those of its classes, or without any. */
export function isServed(ingress: Ingress, classes: Iterable<IngressClass>): boolean {
  const ours = new Set(
    [...classes]
      .filter(({ spec }) => spec?.controller === controllerName)
      .map(({ metadata }) => metadata.name),
  );
  const name = ingress.spec?.ingressClassName ?? ingress.metadata.annotations?.[ingressClassAnnotation];
  return name === undefined || name === '' || ours.has(name);
}
