/** Rules that device classes, claims and slices share: names of drivers, pools and attributes, selectors, taints, parameters. */
import { checkExpression } from '../cel/check/check.ts';
import { bool, type CelType, dyn, mapOf, string, typeText } from '../cel/check/types.ts';
import { validateDriverName } from '../storage/csi-driver.ts';
import type {
  DeviceSelector,
  DeviceTaint,
  DeviceToleration,
  OpaqueDeviceConfiguration,
} from '../types/resource-v1.gen.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  invalidValue,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import {
  dnsLabelProblems,
  identifierProblems,
  labelValueProblems,
  qualifiedNameProblems,
  subdomainLengthMax,
  subdomainProblems,
} from '../validation/names.ts';

const identifierMax = 32;
const expressionMax = 10 * 1024;
const parametersMax = 10 * 1024;
const selectorsMax = 32;
const bindingConditionsMax = 4;
const taintEffects = ['NoExecute', 'NoSchedule', 'None'];
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

type Errors = Iterable<FieldError>;

/** Every item by its own rule, unless there are more than `max`: then only that is said. */
export function* validateItems<T>(
  items: readonly T[] | undefined,
  max: number,
  field: string,
  validateItem: (item: T, field: string) => Errors,
): FieldErrors {
  if (!items) return;
  if (items.length > max) yield tooMany(field, items.length, max);
  else for (const [index, item] of items.entries()) yield* validateItem(item, `${field}[${index}]`);
}

/** As {@link validateItems}, no two of the same key. */
export function* validateSet<T>(
  items: readonly T[] | undefined,
  max: number,
  field: string,
  rules: { item: (item: T, field: string) => Errors; key: (item: T) => string },
): FieldErrors {
  if (!items) return;
  yield* validateItems(items, max, field, rules.item);
  if (items.length > max) return;
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = rules.key(item);
    if (seen.has(key)) yield duplicate(`${field}[${index}]`, key);
    seen.add(key);
  }
}

/** One or more subdomains with slashes between them. */
export function* validatePoolName(name = '', field: string): FieldErrors {
  if (!name) {
    yield required(field);
    return;
  }
  if (name.length > subdomainLengthMax) yield tooLong(field, subdomainLengthMax);
  for (const part of name.split('/')) yield* invalidFor(field, part, subdomainProblems(part));
}

export function validateLabelName(name = '', field: string): Errors {
  return invalidFor(field, name, dnsLabelProblems(name));
}

/** `name`, or `domain/name`. */
export function* validateAttributeName(name: string, field: string): FieldErrors {
  const [first = '', second, ...more] = name.split('/');
  if (more.length > 0) return;
  if (second === undefined) {
    yield* validateIdentifier(first, field);
    return;
  }
  if (first) yield* validateDriverName(first, field);
  else yield invalidValue(field, '', 'the domain must not be empty');
  if (second) yield* validateIdentifier(second, field);
  else yield invalidValue(field, '', 'the name must not be empty');
}

export function* validateFullAttributeName(name: string, field: string): FieldErrors {
  yield* validateAttributeName(name, field);
  if (!name.includes('/'))
    yield invalidValue(
      field,
      name,
      'a fully qualified name must be a domain and a name separated by a slash',
    );
}

function* validateIdentifier(name: string, field: string): FieldErrors {
  if (name.length > identifierMax) yield tooLong(field, identifierMax);
  yield* invalidFor(field, name, identifierProblems(name));
}

export function* validateShareId(id: string, field: string): FieldErrors {
  if (uuid.test(id)) return;
  if (id.length !== 36)
    yield invalidValue(field, id, `error validating uid: invalid UUID length: ${id.length}`);
  else if (uuid.test(id.toLowerCase()))
    yield invalidValue(
      field,
      id,
      'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters',
    );
  else yield invalidValue(field, id, 'error validating uid: invalid UUID format');
}

const deviceFields: Readonly<Record<string, CelType>> = {
  driver: string,
  attributes: mapOf(string, mapOf(string, dyn)),
  capacity: mapOf(string, mapOf(string, { kind: 'opaque', name: 'kubernetes.Quantity' })),
  allowMultipleAllocations: bool,
};
const selectorVariables = new Map<string, CelType>([
  [
    'device',
    {
      kind: 'object',
      name: 'kubernetes.DRADevice',
      field: (name) => (Object.hasOwn(deviceFields, name) ? deviceFields[name] : undefined),
    },
  ],
]);

export function validateSelectors(selectors: readonly DeviceSelector[] | undefined, field: string): Errors {
  return validateItems(selectors, selectorsMax, field, validateSelector);
}

function* validateSelector({ cel }: DeviceSelector, field: string): FieldErrors {
  if (!cel) {
    yield required(`${field}.cel`);
    return;
  }
  const { expression = '' } = cel;
  if (expression.length > expressionMax) {
    yield tooLong(`${field}.cel.expression`, expressionMax);
    return;
  }
  const { type, problems } = checkExpression(expression, selectorVariables);
  const path = `${field}.cel.expression`;
  if (problems.length > 0) yield invalidValue(path, expression, `compilation failed: ${problems.join('\n')}`);
  else if (type && type.kind !== 'bool' && type.kind !== 'dyn')
    yield invalidValue(path, expression, `must evaluate to bool or the unknown type, not ${typeText(type)}`);
}

interface Configuration {
  opaque?: OpaqueDeviceConfiguration;
}

export function* validateConfiguration({ opaque }: Configuration, field: string): FieldErrors {
  if (!opaque) {
    yield required(`${field}.opaque`);
    return;
  }
  yield* validateDriverName(opaque.driver, `${field}.opaque.driver`);
  yield* validateJsonObject(opaque.parameters, `${field}.opaque.parameters`, parametersMax);
}

export function* validateJsonObject(value: unknown, field: string, maxBytes: number): FieldErrors {
  if (value === undefined || value === null) yield required(field);
  else if (Buffer.byteLength(JSON.stringify(value)) > maxBytes) yield tooLong(field, maxBytes);
  else if (typeof value !== 'object' || Array.isArray(value))
    yield invalidValue(field, '<value omitted>', 'must be a valid JSON object');
}

/** `old`: an unchanged effect is not validated. */
export function* validateTaint(
  { key = '', value, effect }: Partial<DeviceTaint>,
  field: string,
  old?: Partial<DeviceTaint>,
): FieldErrors {
  yield* invalidFor(`${field}.key`, key, qualifiedNameProblems(key));
  if (value) yield* invalidFor(`${field}.value`, value, labelValueProblems(value));
  if (!old || old.effect !== effect) yield* oneOf(effect, taintEffects, `${field}.effect`, 'required');
}

export function* validateToleration(toleration: DeviceToleration, field: string): FieldErrors {
  const { key, operator, value = '', effect } = toleration;
  if (key) yield* invalidFor(`${field}.key`, key, qualifiedNameProblems(key));
  if (operator === 'Exists') {
    if (value) yield invalidValue(`${field}.value`, value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') yield* invalidFor(`${field}.value`, value, labelValueProblems(value));
  else if (!operator) yield required(`${field}.operator`);
  else yield notSupported(`${field}.operator`, operator, ['Equal', 'Exists']);
  yield* oneOf(effect, taintEffects, `${field}.effect`, 'optional');
}

interface Binding {
  bindingConditions?: string[];
  bindingFailureConditions?: string[];
}

/** Conditions that a claim must have before the pod is bound, and those that refuse it: one is of no use without the other. */
export function* validateBindingConditions(device: Binding, field: string): FieldErrors {
  const names = ['bindingConditions', 'bindingFailureConditions'] as const;
  for (const name of names)
    yield* validateItems(device[name], bindingConditionsMax, `${field}.${name}`, (condition, path) =>
      invalidFor(path, condition, qualifiedNameProblems(condition)),
    );
  for (const name of names) {
    const seen = new Set<string>();
    for (const [index, condition] of (device[name] ?? []).entries()) {
      const path = `${field}.${name}[${index}]`;
      if (seen.has(condition)) yield duplicate(path, condition);
      seen.add(condition);
      if (name === 'bindingFailureConditions' && device.bindingConditions?.includes(condition))
        yield invalidValue(
          path,
          condition,
          'bindingFailureConditions must not overlap with bindingConditions',
        );
    }
  }
  for (const [name, other] of [names, [names[1], names[0]]] as const)
    if (!device[name]?.length && device[other]?.length)
      yield invalidValue(`${field}.${name}`, device[name] ?? null, `${name} are required to use ${other}`);
}
