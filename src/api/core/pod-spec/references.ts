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

const cpuDivisors = ['1m', '1'];
const byteDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

export function* validateResourceFieldRef(
  ref: ResourceFieldSelector,
  field: string,
  { mustNameContainer }: { mustNameContainer: boolean },
): FieldErrors {
  const { resource = '', divisor = '0' } = ref;
  if (mustNameContainer && !ref.containerName) yield required(`${field}.containerName`);
  else if (!resource) yield required(`${field}.resource`);
  else if (!hugePages.test(resource)) yield* oneOf(resource, resourceNames, `${field}.resource`);
  const kind = divisorKindOf(resource);
  if (!kind || divisor === '0') return;
  const isCpu = kind === 'cpu';
  const allowed = isCpu ? cpuDivisors : byteDivisors;
  if (!allowed.includes(divisor))
    yield invalidValue(
      `${field}.divisor`,
      resource,
      `only divisor's values ${isCpu ? '1m and 1' : allowed.join(', ')} are supported with the ${kind} resource`,
    );
}

const hugePages = /^(requests|limits)\.hugepages-/;

/** What upstream calls the kind of resource that a divisor is for. */
function divisorKindOf(resource: string): string | undefined {
  if (hugePages.test(resource)) return 'hugepages';
  if (!resourceNames.includes(resource)) return undefined;
  const name = resource.slice(resource.indexOf('.') + 1);
  return name === 'ephemeral-storage' ? 'local ephemeral storage' : name;
}

/** A key of a named ConfigMap or Secret. */
export function* validateKeyRef(ref: { name?: string; key: string }, field: string): FieldErrors {
  yield* invalidFor(`${field}.name`, ref.name ?? '', subdomainProblems(ref.name ?? ''));
  if (!ref.key) yield required(`${field}.key`);
  else yield* invalidFor(`${field}.key`, ref.key, configKeyProblems(ref.key));
}
