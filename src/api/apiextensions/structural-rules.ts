/**
 * What makes a schema structural: the type of every possible value is stated outside of allOf, anyOf, oneOf and not,
 * which only restrict it.
 */
import { RE2JS, RE2JSSyntaxException } from 're2js';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import {
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../validation/field-error.ts';

type Level = 'root' | 'field' | 'item';

const untypedWords: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
};

/** Everything that is wrong, sorted by its text as upstream sorts it. */
export function validateStructurality(root: JSONSchemaProps, field: string): FieldError[] {
  const errors = [...validateNode(root, 'root', field), ...validateCompleteness(root, root, field, field)];
  return errors.sort((left, right) => (left.text < right.text ? -1 : left.text > right.text ? 1 : 0));
}

/** One node that says what a value is, and what is below it. */
function* validateNode(schema: JSONSchemaProps, level: Level, field: string): FieldErrors {
  const items = schema.items as JSONSchemaProps | undefined;
  if (schema.type === 'array' && !items) yield required(`${field}.items`, 'must be specified');
  if (items) yield* validateNode(items, 'item', `${field}.items`);
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* validateNode(property, 'field', `${field}.properties[${name}]`);
  yield* validateAdditional(schema, level, field);
  yield* validateMarks(schema, field);
  yield* validateValidations(schema, field);
  yield* validateType(schema, level, field);
  yield* validateResourceFields(schema, level, field);
}

function* validateAdditional(schema: JSONSchemaProps, level: Level, field: string): FieldErrors {
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  if (additional === undefined) return;
  const path = `${field}.additionalProperties`;
  if (level === 'root') yield forbiddenField(path, 'must not be used at the root');
  if (schema['x-kubernetes-embedded-resource'])
    yield forbiddenField(path, 'must not be used if x-kubernetes-embedded-resource is set');
  if (typeof additional === 'object') yield* validateNode(additional, 'field', path);
}

function* validateMarks(schema: JSONSchemaProps, field: string): FieldErrors {
  if (!schema['x-kubernetes-int-or-string']) return;
  for (const mark of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const)
    if (schema[mark])
      yield invalidValue(`${field}.${mark}`, true, 'must be false if x-kubernetes-int-or-string is true');
}

function* validateType(schema: JSONSchemaProps, level: Level, field: string): FieldErrors {
  const path = `${field}.type`;
  const { type } = schema;
  if (schema['x-kubernetes-embedded-resource'] && type !== 'object') {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    yield type ? invalidValue(path, type, why) : required(path, why);
  } else if (!type && !isUntyped(schema)) yield required(path, untypedWords[level]);
  if (level === 'root' && type && type !== 'object')
    yield invalidValue(path, type, 'must be object at the root');
}

function isUntyped(schema: JSONSchemaProps): boolean {
  return !!schema['x-kubernetes-int-or-string'] || !!schema['x-kubernetes-preserve-unknown-fields'];
}

/** What every resource has, and a schema can only narrow. */
function* validateResourceFields(schema: JSONSchemaProps, level: Level, field: string): FieldErrors {
  const isEmbedded = !!schema['x-kubernetes-embedded-resource'];
  const isResource = level === 'root' || isEmbedded;
  const { properties = {} } = schema;
  for (const name of ['kind', 'apiVersion']) {
    const property = properties[name];
    if (isResource && property && property.type !== 'string')
      yield invalidValue(`${field}.properties[${name}].type`, property.type ?? '', 'must be string');
  }
  const { metadata } = properties;
  const path = `${field}.properties[metadata]`;
  if (metadata && isResource && metadata.type !== 'object')
    yield invalidValue(`${path}.type`, metadata.type ?? '', 'must be object');
  if (metadata && level === 'root' && !isNameOnly(metadata))
    yield forbiddenField(
      path,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
  if (isEmbedded && !schema['x-kubernetes-preserve-unknown-fields'] && Object.keys(properties).length === 0)
    yield required(
      `${field}.properties`,
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    );
}

/** For the metadata of a whole resource. A default is refused elsewhere. */
function isNameOnly({ type: _, default: __, properties = {}, ...others }: JSONSchemaProps): boolean {
  const names = Object.keys(properties);
  return (
    names.every((name) => name === 'name' || name === 'generateName') &&
    Object.values(others).every((value) => value === undefined)
  );
}

/** Apart from the structure: the pattern, and the schemas that only restrict. */
function* validateValidations(schema: JSONSchemaProps, field: string): FieldErrors {
  const isIntOrString = isIntOrStringPattern(schema.anyOf);
  if (!isIntOrString) yield* validateBranches(schema, 'anyOf', field);
  for (const [index, branch] of (schema.allOf ?? []).entries()) {
    const isPattern = index === 0 && isIntOrStringPattern(branch.anyOf);
    const checked = isPattern ? { ...branch, anyOf: undefined as never } : branch;
    yield* validateBranch(checked, `${field}.allOf[${index}]`);
  }
  yield* validateBranches(schema, 'oneOf', field);
  if (schema.not) yield* validateBranch(schema.not, `${field}.not`);
  const problem = schema.pattern && patternProblem(schema.pattern);
  if (problem)
    yield invalidValue(
      `${field}.pattern`,
      schema.pattern,
      `must be a valid regular expression, but isn't: ${problem}`,
    );
}

function* validateBranches(schema: JSONSchemaProps, name: 'anyOf' | 'oneOf', field: string): FieldErrors {
  for (const [index, branch] of (schema[name] ?? []).entries())
    yield* validateBranch(branch, `${field}.${name}[${index}]`);
}

/** The one place where types may stand in a branch. */
function isIntOrStringPattern(branches: readonly JSONSchemaProps[] | undefined): boolean {
  return (
    branches?.length === 2 &&
    branches.every((branch, index) => {
      const keys = Object.keys(branch);
      return keys.length === 1 && branch.type === ['integer', 'string'][index];
    })
  );
}

type Names = readonly (keyof JSONSchemaProps)[];
const mustBeEmpty: Names = [
  'type',
  'title',
  'description',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
];
const mustBeUndefined: Names = [
  'default',
  'additionalProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
];
const mustBeFalse: Names = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
];

/** A schema below allOf, anyOf, oneOf or not. */
function* validateBranch(branch: JSONSchemaProps, field: string): FieldErrors {
  yield* validateValidations(branch, field);
  if (branch.items) yield* validateBranch(branch.items as JSONSchemaProps, `${field}.items`);
  for (const [name, property] of Object.entries(branch.properties ?? {}))
    yield* validateBranch(property, `${field}.properties[${name}]`);
  for (const name of mustBeEmpty) {
    const value = branch[name] as { length: number } | undefined;
    if (value?.length) yield forbiddenField(`${field}.${name}`, 'must be empty to be structural');
  }
  for (const name of mustBeUndefined)
    if (branch[name] !== undefined)
      yield forbiddenField(`${field}.${name}`, 'must be undefined to be structural');
  for (const name of mustBeFalse)
    if (branch[name]) yield forbiddenField(`${field}.${name}`, 'must be false to be structural');
  if (branch.properties?.metadata)
    yield forbiddenField(`${field}.properties[metadata]`, 'must not be specified in a nested context');
}

/** What the root's branches refer to must also be specified outside of them. */
function* validateCompleteness(
  branch: JSONSchemaProps,
  structure: JSONSchemaProps,
  structurePath: string,
  field: string,
): FieldErrors {
  const branches: [JSONSchemaProps, string][] = [];
  if (branch.not) branches.push([branch.not, `${field}.not`]);
  for (const name of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [index, nested] of (branch[name] ?? []).entries())
      branches.push([nested, `${field}.${name}[${index}]`]);
  for (const [nested, path] of branches) yield* validateCounterparts(nested, structure, structurePath, path);
}

function* validateCounterparts(
  branch: JSONSchemaProps,
  structure: JSONSchemaProps,
  structurePath: string,
  field: string,
): FieldErrors {
  yield* validateCompleteness(branch, structure, structurePath, field);
  const parts: [JSONSchemaProps, JSONSchemaProps | undefined, string][] = Object.entries(
    branch.properties ?? {},
  ).map(([name, property]) => [property, structure.properties?.[name], `properties[${name}]`]);
  if (branch.items)
    parts.push([branch.items as JSONSchemaProps, structure.items as JSONSchemaProps | undefined, 'items']);
  for (const [part, counterpart, name] of parts) {
    const [path, own] = [`${field}.${name}`, `${structurePath}.${name}`];
    if (counterpart) yield* validateCounterparts(part, counterpart, own, path);
    else yield required(own, `because it is defined in ${path}`);
  }
}

/** The error in a pattern of Go's regular expressions, in Go's words. */
function patternProblem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    return error.message;
  }
}
