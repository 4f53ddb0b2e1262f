/** Validation of references from environment variables and downward-API files to fields, resources and keys. */

import type { ObjectFieldSelector, ResourceFieldSelector } from '../../types/core-v1.gen.ts';
import { type FieldErrors, invalidValue, required } from '../../validation/field-error.ts';
import { invalidFor, oneOf } from '../../validation/fields.ts';
import { configKeyProblems, qualifiedNameProblems, subdomainProblems } from '../../validation/names.ts';

export const environmentFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
export const volumeFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
/** Paths that exist in a pod, allowed at this place or not. */
const knownFieldPaths = new Set([
  ...environmentFieldPaths,
  ...volumeFieldPaths,
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.hostNetwork',
  'status.phase',
  'status.nominatedNodeName',
]);
const resourceNames = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];

export function* validateFieldRef(
  ref: ObjectFieldSelector,
  allowed: readonly string[],
  field: string,
): FieldErrors {
  if (!ref.apiVersion) {
    yield required(`${field}.apiVersion`);
    return;
  }
  if (!ref.fieldPath) {
    yield required(`${field}.fieldPath`);
    return;
  }
  const path = `${field}.fieldPath`;
  if (ref.apiVersion !== 'v1') {
    yield invalidValue(
      path,
      ref.fieldPath,
      `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`,
    );
    return;
  }
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(ref.fieldPath);
  if (subscript) {
    const key = subscript[1] === 'metadata.annotations' ? subscript[2]!.toLowerCase() : subscript[2]!;
    yield* invalidFor(path, key, qualifiedNameProblems(key));
  } else if (!knownFieldPaths.has(ref.fieldPath))
    yield invalidValue(
      path,
      ref.fieldPath,
      `error converting fieldPath: field label not supported: ${ref.fieldPath}`,
    );
  else yield* oneOf(ref.fieldPath, allowed, path);
}

const divisors: Record<string, readonly string[]> = {
  cpu: ['1m', '1'],
  memory: ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'],
};

export function* validateResourceFieldRef(
  ref: ResourceFieldSelector,
  field: string,
  { mustNameContainer }: { mustNameContainer: boolean },
): FieldErrors {
  if (mustNameContainer && !ref.containerName) {
    yield required(`${field}.containerName`);
    return;
  }
  if (!ref.resource) {
    yield required(`${field}.resource`);
    return;
  }
  if (!/^(requests|limits)\.hugepages-/.test(ref.resource))
    yield* oneOf(ref.resource, resourceNames, `${field}.resource`);
  const isCpu = ref.resource.endsWith('.cpu');
  const allowed = divisors[isCpu ? 'cpu' : 'memory']!;
  if (ref.divisor && ref.divisor !== '0' && !allowed.includes(ref.divisor))
    yield invalidValue(
      `${field}.divisor`,
      ref.divisor,
      isCpu
        ? "only divisor's values 1m and 1 are supported with the cpu resource"
        : `only divisor's values ${allowed.join(', ')} are supported with the ${/memory/.test(ref.resource) ? 'memory' : 'local ephemeral storage'} resource`,
    );
}

/** A key of a named ConfigMap or Secret. */
export function* validateKeyRef(ref: { name?: string; key: string }, field: string): FieldErrors {
  yield* invalidFor(`${field}.name`, ref.name ?? '', subdomainProblems(ref.name ?? ''));
  if (!ref.key) yield required(`${field}.key`);
  else yield* invalidFor(`${field}.key`, ref.key, configKeyProblems(ref.key));
}
