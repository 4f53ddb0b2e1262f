/** What a driver may publish: devices with attributes, capacities and taints, counters that they share, and their nodes. */
import { validateNodeSelector } from '../core/pod-spec/scheduling.ts';
import { validateDriverName } from '../storage/csi-driver.ts';
import type { NodeSelector } from '../types/core-v1.gen.ts';
import type {
  Counter,
  Device,
  DeviceAttribute,
  DeviceCapacity,
  ResourcePool,
  ResourceSliceSpec,
} from '../types/resource-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
  tooMany,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { subdomainProblems } from '../validation/names.ts';
import { semverPattern } from '../validation/semver.ts';
import { validateRequestPolicy } from './capacity-rules.ts';
import {
  validateAttributeName,
  validateBindingConditions,
  validateItems,
  validateLabelName,
  validatePoolName,
  validateSet,
  validateTaint,
} from './device-rules.ts';

const devicesMax = 128;
/** For devices of which one has taints, counters or lists. */
const largeDevicesMax = 64;
const counterSetsMax = 8;
const countersMax = 32;
const consumptionsMax = 2;
const taintsMax = 16;
const factsMax = 32;
const attributeValuesMax = 48;
const attributeTextMax = 64;
const attributeKeyMax = 63 + 1 + 32;
const listNames = ['bools', 'ints', 'strings', 'versions'] as const;

export function* validateSliceSpec(spec: Partial<ResourceSliceSpec>): FieldErrors {
  yield* validateDriverName(spec.driver, 'spec.driver');
  yield* validatePool(spec.pool ?? {}, 'spec.pool');
  yield* validateSliceNodes(spec);
  const { sharedCounters, devices, perDeviceNodeSelection = false } = spec;
  if (sharedCounters && devices)
    yield invalidValue('spec', '', 'only one of `sharedCounters` or `devices` is allowed');
  const max = devices?.some(isLarge) ? largeDevicesMax : devicesMax;
  yield* validateSet(devices, max, 'spec.devices', {
    item: (device, path) => validateDevice(device, path, { choosesNodes: perDeviceNodeSelection }),
    key: ({ name = '' }) => name,
  });
  yield* validateSet(sharedCounters, counterSetsMax, 'spec.sharedCounters', {
    item: ({ name, counters }, path) => validateCounters(name, counters, path, 'name'),
    key: ({ name = '' }) => name,
  });
}

function isLarge({ taints, consumesCounters, attributes }: Device): boolean {
  return (
    Boolean(taints?.length || consumesCounters?.length) ||
    Object.values(attributes ?? {}).some((attribute) => listNames.some((name) => attribute[name]))
  );
}

function* validatePool(pool: Partial<ResourcePool>, field: string): FieldErrors {
  const { name, resourceSliceCount = 0, generation = 0 } = pool;
  yield* validatePoolName(name, `${field}.name`);
  if (resourceSliceCount <= 0)
    yield invalidValue(`${field}.resourceSliceCount`, resourceSliceCount, 'must be greater than zero');
  if (generation < 0)
    yield invalidValue(`${field}.generation`, generation, 'must be greater than or equal to zero');
}

interface Places {
  nodeName?: string;
  nodeSelector?: NodeSelector;
  allNodes?: boolean;
  perDeviceNodeSelection?: boolean;
}

/** Those that are set to something, as messages show them. */
function placesSet(places: Places): string[] {
  const names = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const;
  return names.filter((name) => places[name]).map((name) => `\`${name}\``);
}

function* validateSliceNodes(spec: Partial<ResourceSliceSpec>): FieldErrors {
  const { nodeName, nodeSelector } = spec;
  if (nodeName === '')
    yield invalidValue('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string');
  else if (nodeName) yield* invalidFor('spec.nodeName', nodeName, subdomainProblems(nodeName));
  if (nodeSelector) {
    yield* validateNodeSelector(nodeSelector, 'spec.nodeSelector');
    const terms = nodeSelector.nodeSelectorTerms;
    // Selectors of several slices are easier to merge so.
    if (terms?.length !== 1)
      yield invalidValue(
        'spec.nodeSelector.nodeSelectorTerms',
        innerForm('[]core.NodeSelectorTerm', terms),
        'must have exactly one node selector term',
      );
  }
  for (const name of ['allNodes', 'perDeviceNodeSelection'] as const)
    if (spec[name] === false)
      yield invalidValue(`spec.${name}`, false, 'must be either unset or set to true');
  const set = placesSet(spec);
  const oneOfThem =
    'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (set.length === 0) yield required('spec', oneOfThem);
  if (set.length > 1)
    yield invalidValue('spec', `{${set.join(', ')}}`, `${oneOfThem}, but multiple fields are set`);
}

function* validateDevice(
  device: Device,
  field: string,
  { choosesNodes }: { choosesNodes: boolean },
): FieldErrors {
  yield* validateLabelName(device.name, `${field}.name`);
  yield* validateFacts(device, field);
  yield* validateItems(device.taints, taintsMax, `${field}.taints`, (taint, at) => validateTaint(taint, at));
  yield* validateSet(device.consumesCounters, consumptionsMax, `${field}.consumesCounters`, {
    item: ({ counterSet, counters }, path) => validateCounters(counterSet, counters, path, 'counterSet'),
    key: ({ counterSet = '' }) => counterSet,
  });
  if (choosesNodes) yield* validateDeviceNodes(device, field);
  else if (device.nodeName !== undefined || device.nodeSelector || device.allNodes !== undefined)
    yield invalidValue(
      field,
      null,
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
    );
  yield* validateBindingConditions(device, field);
}

function* validateDeviceNodes(device: Device, field: string): FieldErrors {
  const { nodeName, nodeSelector, allNodes } = device;
  if (nodeName === '') yield invalidValue(`${field}.nodeName`, nodeName, 'must not be empty');
  else if (nodeName) yield* invalidFor(`${field}.nodeName`, nodeName, subdomainProblems(nodeName));
  if (nodeSelector) yield* validateNodeSelector(nodeSelector, `${field}.nodeSelector`);
  if (allNodes === false)
    yield invalidValue(`${field}.allNodes`, allNodes, 'must be either unset or set to true');
  const set = placesSet({ nodeName, nodeSelector, allNodes } as Places);
  const oneOfThem =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (set.length === 0) yield required(field, oneOfThem);
  if (set.length > 1) yield invalidValue(field, `{${set.join(', ')}}`, oneOfThem);
}

/** Attributes and capacities, in the order of their names. */
function* validateFacts(device: Device, field: string): FieldErrors {
  const attributes = sortedEntries(device.attributes);
  const capacities = sortedEntries(device.capacity);
  const count = attributes.length + capacities.length;
  if (count > factsMax)
    yield invalidValue(
      field,
      count,
      `the total number of attributes and capacities must not exceed ${factsMax}`,
    );
  const values = attributes.reduce((sum, [, attribute]) => sum + valuesOf(attribute), 0);
  if (values > attributeValuesMax)
    yield invalidValue(
      field,
      values,
      `the total number of attribute values must not exceed ${attributeValuesMax}`,
    );
  for (const [name, attribute] of attributes) {
    yield* validateAttributeName(name, `${field}.attributes`);
    yield* validateAttribute(attribute, `${field}.attributes[${shortened(name, attributeKeyMax)}]`);
  }
  for (const [name, capacity] of capacities) {
    yield* validateAttributeName(name, `${field}.capacity`);
    const path = `${field}.capacity[${shortened(name, attributeKeyMax)}]`;
    yield* validateCapacity(capacity, path, device.allowMultipleAllocations ?? false);
  }
}

function sortedEntries<T>(map: Record<string, T> | undefined): [string, T][] {
  return Object.entries(map ?? {}).sort(([left], [right]) => (left < right ? -1 : 1));
}

/** A long name without its middle. */
function shortened(name: string, max: number): string {
  if (name.length <= max) return name;
  const kept = max - 3;
  return `${name.slice(0, Math.floor((kept + 1) / 2))}...${name.slice(name.length - Math.floor(kept / 2))}`;
}

function valuesOf(attribute: DeviceAttribute): number {
  const listed = listNames.reduce((sum, name) => sum + (attribute[name]?.length ?? 0), 0);
  return listed || 1;
}

function* validateAttribute(attribute: DeviceAttribute, field: string): FieldErrors {
  const { string, version } = attribute;
  if (string !== undefined) yield* validateText(string, `${field}.string`);
  if (version !== undefined) yield* validateVersion(version, `${field}.version`);
  for (const name of listNames)
    if (attribute[name]?.length === 0)
      yield invalidValue(`${field}.${name}`, [], 'must not be empty if specified');
  for (const [index, text] of (attribute.strings ?? []).entries())
    yield* validateText(text, `${field}.strings[${index}]`);
  for (const [index, text] of (attribute.versions ?? []).entries())
    yield* validateVersion(text, `${field}.versions[${index}]`);
  const names = ['bool', 'int', 'string', 'version', ...listNames] as const;
  const set = names.filter((name) => attribute[name] !== undefined).length;
  if (set !== 1)
    yield invalidValue(
      field,
      set === 0 ? '' : innerForm('resource.DeviceAttribute', attribute),
      'exactly one value must be specified',
    );
}

function* validateText(text: string, field: string): FieldErrors {
  if (Buffer.byteLength(text) > attributeTextMax) yield tooLong(field, attributeTextMax);
}

function* validateVersion(version: string, field: string): FieldErrors {
  if (!semverPattern.test(version))
    yield invalidValue(field, version, 'must be a string compatible with semver.org spec 2.0.0');
  yield* validateText(version, field);
}

function* validateCapacity(
  { value, requestPolicy }: DeviceCapacity,
  field: string,
  isShared: boolean,
): FieldErrors {
  if (!requestPolicy) return;
  if (isShared) yield* validateRequestPolicy(requestPolicy, value, `${field}.requestPolicy`);
  else yield forbiddenField(`${field}.requestPolicy`, 'allowMultipleAllocations must be true');
}

function* validateCounters(
  name: string | undefined,
  counters: Record<string, Counter> | undefined,
  field: string,
  nameField: string,
): FieldErrors {
  if (!name) yield required(`${field}.${nameField}`);
  else yield* validateLabelName(name, `${field}.${nameField}`);
  const names = sortedEntries(counters).map(([counter]) => counter);
  if (names.length === 0) yield required(`${field}.counters`);
  else if (names.length > countersMax) yield tooMany(`${field}.counters`, names.length, countersMax);
  else for (const counter of names) yield* validateLabelName(counter, `${field}.counters`);
}
