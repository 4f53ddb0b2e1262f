/** Resource names and quantities: which names a container, a quota or a node may use, and what their amounts may be. */

import { compareQuantities, formatQuantity, tryParseQuantity } from '../quantities/quantity.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from './field-error.ts';
import { type Errors, invalidFor, noErrors } from './fields.ts';
import { qualifiedNameProblems } from './names.ts';

export type ResourceList = Record<string, string>;

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage']);
const countedResources = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);
const quotaResources = new Set([
  ...countedResources,
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
]);
const standardResources = new Set([...quotaResources, 'storage']);

export const mustBeStandard = 'must be a standard resource type or fully qualified';

const hugePagesPrefix = 'hugepages-';

function isHugePages(name: string): boolean {
  return name.startsWith(hugePagesPrefix);
}

/** Names of Kubernetes itself: without a domain, or with one under kubernetes.io. */
function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

/** A node's own countable resource, e.g. `example.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  if (isNative(name) || name.startsWith('requests.')) return false;
  return qualifiedNameProblems(`requests.${name}`).length === 0;
}

export function isStandardResource(name: string): boolean {
  return standardResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

export function isQuotaResource(name: string): boolean {
  return isStandardQuotaResource(name) || name.startsWith('count/');
}

/** Not one that is counted by its kind alone. */
export function isStandardQuotaResource(name: string): boolean {
  return quotaResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
}

/** Amounts of these are whole numbers. */
function isIntegerResource(name: string): boolean {
  return countedResources.has(name) || isExtendedResource(name);
}

export function* validateResourceName(name: string, field: string): FieldErrors {
  const problems = qualifiedNameProblems(name);
  yield* invalidFor(field, name, problems);
  if (problems.length === 0 && !name.includes('/') && !isStandardResource(name))
    yield invalidValue(field, name, mustBeStandard);
}

export function* validateContainerResourceName(name: string, field: string): FieldErrors {
  yield* validateResourceName(name, field);
  if (!name.includes('/')) {
    if (!containerResources.has(name) && !isHugePages(name))
      yield invalidValue(field, name, 'must be a standard resource for containers');
  } else if (!isNative(name) && !isExtendedResource(name))
    yield invalidValue(field, name, "doesn't follow extended resource name standard");
}

export function nonNegativeQuantity(value: string, field: string): Errors {
  const quantity = tryParseQuantity(value);
  return quantity && quantity.nanos < 0n
    ? [invalidValue(field, value, 'must be greater than or equal to 0')]
    : noErrors;
}

export function positiveQuantity(value: string, field: string): Errors {
  const quantity = tryParseQuantity(value);
  return quantity && quantity.nanos <= 0n
    ? [invalidValue(field, value, 'must be greater than zero')]
    : noErrors;
}

const nanosPerUnit = 1_000_000_000n;

/** An amount of a named resource: not negative, whole where the resource is counted. */
export function* validateResourceAmount(name: string, value: string, field: string): FieldErrors {
  const quantity = tryParseQuantity(value);
  if (!quantity) return;
  if (quantity.nanos < 0n) yield invalidValue(field, value, 'must be greater than or equal to 0');
  if (isIntegerResource(name) && quantity.nanos % nanosPerUnit !== 0n)
    yield invalidValue(field, value, 'must be an integer');
}

/** Resources that are never promised twice: a request is the limit. */
export function isOvercommitAllowed(name: string): boolean {
  return isNative(name) && !isHugePages(name);
}

/** `requests` and `limits` of a container (or of a pod). */
export function* validateResourceRequirements(
  resources: Requirements | undefined,
  field: string,
  validateName: (name: string, field: string) => FieldErrors = validateContainerResourceName,
): FieldErrors {
  if (!resources) return;
  const { limits = {}, requests = {} } = resources;
  let hugePages = false;
  let cpuOrMemory = false;
  for (const [list, kind] of [
    [limits, 'limits'],
    [requests, 'requests'],
  ] as const)
    for (const name in list) {
      const path = `${field}.${kind}[${name}]`;
      yield* validateName(name, path);
      yield* validateResourceAmount(name, list[name]!, path);
      if (kind === 'requests') yield* validateRequest(name, resources, field);
      yield* validatePages(name, list[name]!, path);
      hugePages ||= isHugePages(name);
      cpuOrMemory ||= name === 'cpu' || name === 'memory';
    }
  if (hugePages && !cpuOrMemory) yield forbiddenField(field, 'HugePages require cpu or memory');
}

interface Requirements {
  limits?: ResourceList;
  requests?: ResourceList;
}

function* validateRequest(name: string, resources: Requirements, field: string): FieldErrors {
  const requested = resources.requests?.[name];
  const limited = resources.limits?.[name];
  const request = tryParseQuantity(requested);
  const limit = tryParseQuantity(limited);
  const mayDiffer = isOvercommitAllowed(name);
  if (request && limit) {
    const order = compareQuantities(request, limit);
    const isWithin = mayDiffer ? order <= 0 : order === 0;
    const relation = mayDiffer ? 'less than or equal to' : 'equal to';
    if (!isWithin)
      yield invalidValue(`${field}.requests`, requested, `must be ${relation} ${name} limit of ${limited}`);
  } else if (!limit && !mayDiffer)
    yield required(`${field}.limits`, 'Limit must be set for non overcommitable resources');
}

/** Huge pages are counted in whole pages of the size in their name. */
function* validatePages(name: string, value: string, field: string): FieldErrors {
  if (!isHugePages(name)) return;
  const size = tryParseQuantity(name.slice(hugePagesPrefix.length));
  const amount = tryParseQuantity(value);
  if (!amount || (size && size.nanos > 0n && amount.nanos % size.nanos === 0n)) return;
  yield invalidValue(field, value, `${value} is not positive integer multiple of ${name}`);
}

/** Of bytes there are only whole ones. */
export function* fractionWarnings(
  amounts: Record<string, string> | undefined,
  name: string,
  field: string,
): Iterable<string> {
  const amount = amounts?.[name];
  const quantity = amount === undefined ? undefined : tryParseQuantity(amount);
  if (quantity && quantity.nanos % 1_000_000_000n !== 0n)
    yield `${field}[${name}]: fractional byte value "${formatQuantity(quantity)}" is invalid, must be an integer`;
}
