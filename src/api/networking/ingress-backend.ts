/** Conversion of Ingresses from and to the beta versions, where a backend names its service in two fields of its own. */
import type { KubeObject } from '../meta.ts';
import type { Ingress, IngressBackend } from '../types/networking-v1.gen.ts';
import type { IngressBackend as OldBackend, Ingress as OldIngress } from '../types/networking-v1beta1.gen.ts';

export function ingressFromBeta(object: KubeObject): KubeObject {
  const source = object as OldIngress;
  const target = object as Ingress;
  const spec = source.spec;
  if (!spec) return target;
  if (spec.backend) target.spec!.defaultBackend = backendFromBeta(spec.backend);
  delete spec.backend;
  for (const [index, rule] of (spec.rules ?? []).entries())
    for (const [pathIndex, path] of (rule.http?.paths ?? []).entries())
      target.spec!.rules![index]!.http!.paths[pathIndex]!.backend = backendFromBeta(path.backend);
  return target;
}

export function ingressToBeta(object: KubeObject): KubeObject {
  const source = object as Ingress;
  const target = object as OldIngress;
  const spec = source.spec;
  if (!spec) return object;
  if (spec.defaultBackend) target.spec!.backend = backendToBeta(spec.defaultBackend);
  delete spec.defaultBackend;
  for (const [index, rule] of (spec.rules ?? []).entries())
    for (const [pathIndex, path] of (rule.http?.paths ?? []).entries())
      target.spec!.rules![index]!.http!.paths[pathIndex]!.backend = backendToBeta(path.backend);
  return target as KubeObject;
}

function backendFromBeta(old: OldBackend): IngressBackend {
  const backend: IngressBackend = {};
  const { serviceName, servicePort, resource } = old ?? {};
  if (resource) backend.resource = resource;
  if (serviceName || (servicePort !== undefined && servicePort !== 0)) {
    backend.service = { name: serviceName ?? '' };
    if (typeof servicePort === 'string') backend.service.port = { name: servicePort };
    else if (servicePort) backend.service.port = { number: servicePort };
  }
  return backend;
}

function backendToBeta(backend: IngressBackend): OldBackend {
  const old: OldBackend = {};
  if (backend?.resource) old.resource = backend.resource;
  if (backend?.service) {
    old.serviceName = backend.service.name;
    const { name, number } = backend.service.port ?? {};
    old.servicePort = name || (number ?? 0);
  }
  return old;
}

/** Beta versions may leave out how a path is matched. */
export function defaultBetaPathTypes(object: KubeObject): void {
  for (const rule of (object as OldIngress).spec?.rules ?? [])
    for (const path of rule.http?.paths ?? []) path.pathType ??= 'ImplementationSpecific';
}
