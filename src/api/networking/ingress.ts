/** Ingresses. */
import { isIP } from 'node:net';
import { validateLoadBalancerStatus } from '../core/load-balancer-status.ts';
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { ValidationContext } from '../kinds/kind.ts';
import { Ingress } from '../resources.gen.ts';
import type { HTTPIngressPath, IngressBackend, IngressSpec } from '../types/networking-v1.gen.ts';
import { type FieldErrors, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { type Errors, invalidFor, portNumber } from '../validation/fields.ts';
import {
  dnsLabelProblems,
  portNameProblems,
  subdomainProblems,
  wildcardSubdomainProblems,
} from '../validation/names.ts';
import { ingressClassAnnotation } from '../well-known.ts';
import { defaultBetaPathTypes, ingressFromBeta, ingressToBeta } from './ingress-backend.ts';
import { validateTypedReference } from './typed-reference.ts';

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const forbiddenSequences = ['//', '/./', '/../', '%2f', '%2F'];
const forbiddenEnds = ['/..', '/.'];

const beta = {
  defaults: defaultBetaPathTypes,
  toStored: ingressFromBeta,
  fromStored: ingressToBeta,
};

export const ingressKind = defineKind(Ingress, {
  storagePrefix: 'ingress',
  errorGroup: 'extensions',
  status: 'separate',
  hasGeneration: true,
  *warnings({ metadata, spec }, old) {
    if (!old && metadata.annotations?.[ingressClassAnnotation] !== undefined && !spec?.ingressClassName)
      yield `annotation "${ingressClassAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`;
  },
  columns: [
    nameColumn,
    column('Class', (ingress) => ingress.spec?.ingressClassName ?? '<none>'),
    column('Hosts', hostsCell),
    column('Address', addressCell),
    column('Ports', (ingress) => (ingress.spec?.tls?.length ? '80, 443' : '80')),
    ageColumn,
  ],
  prepareCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  *validate(ingress, context) {
    if (context.subresource === 'status') {
      yield* validateLoadBalancerStatus(ingress.status);
      return;
    }
    yield* validateSpec(ingress.spec ?? {}, wordsOf(context));
    if (context.isUpdate) return;
    const annotation = ingress.metadata.annotations?.[ingressClassAnnotation];
    const named = ingress.spec?.ingressClassName;
    if (annotation !== undefined && typeof named === 'string' && annotation !== named)
      yield invalidValue(
        `annotations.${ingressClassAnnotation}`,
        annotation,
        'must match `ingressClassName` when both are specified',
      );
  },
  versions: [
    {
      version: 'v1beta1',
      ...beta,
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'networking.k8s.io/v1 Ingress' },
    },
    {
      group: 'extensions',
      version: 'v1beta1',
      ...beta,
      deprecation: { since: '1.14', removedIn: '1.22', replacement: 'networking.k8s.io/v1 Ingress' },
    },
  ],
});

/** Names of the fields that are others in the beta versions: errors name what the client wrote. */
interface FieldWords {
  defaultBackend: string;
  serviceName: string;
  servicePort: string;
}
const stableWords: FieldWords = {
  defaultBackend: 'defaultBackend',
  serviceName: 'service.name',
  servicePort: 'service.port',
};
const betaWords: FieldWords = {
  defaultBackend: 'backend',
  serviceName: 'serviceName',
  servicePort: 'servicePort',
};

function wordsOf({ apiVersion }: ValidationContext): FieldWords {
  return apiVersion?.endsWith('/v1beta1') ? betaWords : stableWords;
}

function* validateSpec(spec: IngressSpec, words: FieldWords): FieldErrors {
  const rules = spec.rules ?? [];
  if (rules.length === 0 && !spec.defaultBackend)
    yield invalidValue('spec', null, `either \`${words.defaultBackend}\` or \`rules\` must be specified`);
  if (spec.defaultBackend) yield* validateBackend(spec.defaultBackend, words, `spec.${words.defaultBackend}`);
  for (const [index, rule] of rules.entries()) {
    const path = `spec.rules[${index}]`;
    if (rule.host) yield* validateHost(rule.host, `${path}.host`);
    if (!rule.http) continue;
    if (!rule.http.paths?.length) yield required(`${path}.http.paths`);
    for (const [pathIndex, httpPath] of (rule.http.paths ?? []).entries())
      yield* validatePath(httpPath, words, `${path}.http.paths[${pathIndex}]`);
  }
  for (const [index, tls] of (spec.tls ?? []).entries()) {
    for (const [hostIndex, host] of (tls.hosts ?? []).entries())
      yield* hostName(host, `spec.tls[${index}].hosts[${hostIndex}]`);
    if (tls.secretName)
      yield* invalidFor(`spec.tls[${index}].secretName`, tls.secretName, subdomainProblems(tls.secretName));
  }
  if (typeof spec.ingressClassName === 'string')
    yield* invalidFor(
      'spec.ingressClassName',
      spec.ingressClassName,
      subdomainProblems(spec.ingressClassName),
    );
}

function hostName(host: string, field: string): Errors {
  return invalidFor(
    field,
    host,
    host.includes('*') ? wildcardSubdomainProblems(host) : subdomainProblems(host),
  );
}

function* validateHost(host: string, field: string): FieldErrors {
  if (isIP(host)) yield invalidValue(field, host, 'must be a DNS name, not an IP address');
  yield* hostName(host, field);
}

function* validatePath(path: HTTPIngressPath, words: FieldWords, field: string): FieldErrors {
  const text = path.path ?? '';
  const type = path.pathType as string | null | undefined;
  if (type === undefined || type === null) {
    yield required(`${field}.pathType`, 'pathType must be specified');
    return;
  }
  switch (type) {
    case 'Exact':
    case 'Prefix':
      if (!text.startsWith('/')) yield invalidValue(`${field}.path`, text, 'must be an absolute path');
      for (const sequence of text ? forbiddenSequences : [])
        if (text.includes(sequence))
          yield invalidValue(`${field}.path`, text, `must not contain '${sequence}'`);
      for (const end of text ? forbiddenEnds : [])
        if (text.endsWith(end)) yield invalidValue(`${field}.path`, text, `cannot end with '${end}'`);
      break;
    case 'ImplementationSpecific':
      if (text && !text.startsWith('/'))
        yield invalidValue(`${field}.path`, text, 'must be an absolute path');
      break;
    default:
      yield notSupported(`${field}.pathType`, path.pathType, pathTypes);
  }
  yield* validateBackend(path.backend ?? {}, words, `${field}.backend`);
}

function* validateBackend(backend: IngressBackend, words: FieldWords, field: string): FieldErrors {
  const { resource, service } = backend;
  if (resource && service) {
    yield invalidValue(field, '', 'cannot set both resource and service backends');
    return;
  }
  if (resource) {
    yield* validateTypedReference(resource, `${field}.resource`);
    return;
  }
  if (!service) {
    yield invalidValue(field, '', 'resource or service backend is required');
    return;
  }
  const namePath = `${field}.${words.serviceName}`;
  if (!service.name) yield required(namePath);
  else yield* invalidFor(namePath, service.name, dnsLabelProblems(service.name));
  const portPath = `${field}.${words.servicePort}`;
  const { name, number } = service.port ?? {};
  if (name && number) yield invalidValue(field, '', 'cannot set both port name & port number');
  else if (name)
    yield* invalidFor(words === betaWords ? portPath : `${portPath}.name`, name, portNameProblems(name));
  else if (number) yield* portNumber(number, words === betaWords ? portPath : `${portPath}.number`);
  else yield required(field, 'port name or number is required');
}

const hostsShownMax = 3;

function hostsCell({ spec }: Ingress): string {
  const hosts = (spec?.rules ?? []).map((rule) => rule.host).filter(Boolean);
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, hostsShownMax).join(',');
  return hosts.length > hostsShownMax ? `${shown} + ${hosts.length - hostsShownMax} more...` : shown;
}

function addressCell({ status }: Ingress): string {
  const points = (status?.loadBalancer?.ingress ?? []).map((point) => point.ip || point.hostname || '');
  return [...new Set(points.filter(Boolean))].sort().join(',');
}
