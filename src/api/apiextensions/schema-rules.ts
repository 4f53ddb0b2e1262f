/** The rules of a custom resource's schema: structural, without what cannot be kept or checked, with sound defaults. */

import { RE2JS, RE2JSSyntaxException } from 're2js';
import { CelError } from '../cel/environment.ts';
import { compileRule } from '../cel/rules.ts';
import { TypeChecker } from '../cel/type-check.ts';
import { type FieldErrors, forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import type { StructuralSchema } from '../structural/schema.ts';
import { resourceNode, structuralNode } from '../structural/schema-node.ts';
import { validateStructure } from '../structural/validate.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { validateRuleCosts } from './rule-costs.ts';

export interface SchemaContext {
  /** Path of the schema's root. */
  field: string;
  /** False for old definitions that keep unknown fields: anything goes that can be understood. */
  mustBeStructural: boolean;
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const junctors = ['allOf', 'anyOf', 'oneOf'] as const;
const unsupported = ['definitions', 'dependencies', 'patternProperties', 'additionalItems', 'id'] as const;

export function* validateSchema(root: JSONSchemaProps, context: SchemaContext): FieldErrors {
  const { field } = context;
  if (!root.type) {
    if (context.mustBeStructural) yield required(`${field}.type`, 'must not be empty at the root');
  } else if (root.type !== 'object')
    yield invalidValue(`${field}.type`, root.type, 'must be object at the root');
  if (root['x-kubernetes-int-or-string'])
    yield forbiddenField(`${field}.x-kubernetes-int-or-string`, 'must be false at the root');
  if (root['x-kubernetes-embedded-resource'])
    yield forbiddenField(`${field}.x-kubernetes-embedded-resource`, 'must be false at the root');
  if (root.nullable) yield forbiddenField(`${field}.nullable`, 'nullable cannot be true at the root');
  yield* validateRootMetadata(root.properties?.metadata, `${field}.properties[metadata]`);
  yield* validateNode(root, context.mustBeStructural, field);
  yield* validateRuleCosts(root, field);
}

/** The metadata of an object is Kubernetes' own: a schema may only narrow the name. */
function* validateRootMetadata(metadata: JSONSchemaProps | undefined, field: string): FieldErrors {
  if (!metadata) return;
  const allowed = new Set(['type', 'properties', 'description']);
  const extra = Object.keys(metadata).some((key) => !allowed.has(key));
  const others = Object.keys(metadata.properties ?? {}).some(
    (key) => key !== 'name' && key !== 'generateName',
  );
  if (extra || others)
    yield forbiddenField(
      field,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
}

/** One node that says what a value is: its own marks, then what is below it. */
function* validateNode(schema: JSONSchemaProps, structural: boolean, field: string): FieldErrors {
  yield* validateUnsupported(schema, structural, field);
  yield* validateListMarks(schema, field);
  yield* validateMapMarks(schema, field);
  yield* validateMarks(schema, field);
  yield* validateDefault(schema, field);
  yield* validateRules(schema, field);
  if (structural) yield* validateJunctors({ branch: schema, structure: schema, field, structurePath: field });
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = `${field}.properties[${name}]`;
    if (structural) yield* mustHaveType(property, path, 'must not be empty for specified object fields');
    yield* validateNode(property, structural, path);
  }
  const items = schema.items as JSONSchemaProps | undefined;
  if (structural && schema.type === 'array' && !items) yield required(`${field}.items`, 'must be specified');
  if (items && !Array.isArray(items)) {
    if (structural)
      yield* mustHaveType(items, `${field}.items`, 'must not be empty for specified array items');
    yield* validateNode(items, structural, `${field}.items`);
  }
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  if (typeof additional === 'object' && additional !== null) {
    const path = `${field}.additionalProperties`;
    if (structural) yield* mustHaveType(additional, path, 'must not be empty for specified object fields');
    yield* validateNode(additional, structural, path);
  }
}

function* mustHaveType(schema: JSONSchemaProps, field: string, why: string): FieldErrors {
  if (schema.type || schema['x-kubernetes-int-or-string'] || schema['x-kubernetes-preserve-unknown-fields'])
    return;
  yield required(`${field}.type`, why);
}

function* validateUnsupported(schema: JSONSchemaProps, structural: boolean, field: string): FieldErrors {
  if (schema.type && !types.includes(schema.type)) yield notSupported(`${field}.type`, schema.type, types);
  if (schema.uniqueItems)
    yield forbiddenField(
      `${field}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  if (schema.$ref) yield forbiddenField(`${field}.$ref`, '$ref is not supported');
  for (const name of unsupported)
    if (schema[name] !== undefined) yield forbiddenField(`${field}.${name}`, `${name} is not supported`);
  if (Array.isArray(schema.items))
    yield forbiddenField(`${field}.items`, 'items must be a schema object and not an array');
  if (
    schema.additionalProperties !== undefined &&
    Object.keys(schema.properties ?? {}).length > 0 &&
    structural
  )
    yield forbiddenField(
      `${field}.additionalProperties`,
      'additionalProperties and properties are mutual exclusive',
    );
  if (schema.pattern !== undefined && !isPattern(schema.pattern))
    yield invalidValue(`${field}.pattern`, schema.pattern, "must be a valid regular expression, but isn't");
}

/** Go's syntax of regular expressions, which is what the pattern will be read as. */
function isPattern(pattern: string): boolean {
  try {
    RE2JS.compile(pattern);
    return true;
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return false;
    throw error;
  }
}

function* validateMarks(schema: JSONSchemaProps, field: string): FieldErrors {
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    yield invalidValue(`${field}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined');
  if (!schema['x-kubernetes-embedded-resource']) return;
  if (schema.type !== 'object') {
    if (!schema.type)
      yield required(`${field}.type`, 'must be object if x-kubernetes-embedded-resource is true');
    else
      yield invalidValue(
        `${field}.type`,
        schema.type,
        'must be object if x-kubernetes-embedded-resource is true',
      );
  }
  if (!schema['x-kubernetes-preserve-unknown-fields'] && Object.keys(schema.properties ?? {}).length === 0)
    yield required(
      `${field}.properties`,
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    );
}

const listTypes = ['atomic', 'map', 'set'];

function* validateListMarks(schema: JSONSchemaProps, field: string): FieldErrors {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'];
  const typePath = `${field}.x-kubernetes-list-type`;
  const keysPath = `${field}.x-kubernetes-list-map-keys`;
  const items = schema.items as JSONSchemaProps | undefined;
  if (listType !== undefined) {
    if (schema.type !== 'array') {
      if (!schema.type)
        yield required(`${field}.type`, 'must be array if x-kubernetes-list-type is specified');
      else
        yield invalidValue(
          `${field}.type`,
          schema.type,
          'must be array if x-kubernetes-list-type is specified',
        );
    }
    if (!listTypes.includes(listType)) yield notSupported(typePath, listType, listTypes);
  }
  if (keys?.length) {
    if (listType === undefined)
      yield required(typePath, 'must be map if x-kubernetes-list-map-keys is non-empty');
    else if (listType !== 'map')
      yield invalidValue(typePath, listType, 'must be map if x-kubernetes-list-map-keys is non-empty');
  }
  if (listType !== 'map') {
    if (listType === 'set' && items) yield* validateSetItems(items, `${field}.items`);
    return;
  }
  if (!keys?.length) {
    yield required(keysPath, 'must not be empty if x-kubernetes-list-type is map');
  }
  if (!items) {
    yield required(`${field}.items`, 'must have a schema if x-kubernetes-list-type is map');
    return;
  }
  if (items.type !== 'object')
    yield invalidValue(
      `${field}.items.type`,
      items.type ?? '',
      "must be object if parent array's x-kubernetes-list-type is map",
    );
  const seen = new Set<string>();
  for (const [index, key] of (keys ?? []).entries()) {
    const property = items.properties?.[key];
    if (!property)
      yield invalidValue(`${keysPath}[${index}]`, key, 'entries must all be names of item properties');
    else if (property.type === 'array' || property.type === 'object')
      yield invalidValue(
        `${field}.items.properties[${key}].type`,
        property.type,
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
      );
    else if (!items.required?.includes(key) && property.default === undefined)
      yield required(
        `${field}.items.properties[${key}].default`,
        `this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
      );
    if (seen.has(key)) yield invalidValue(keysPath, keys, 'must not contain duplicate entries');
    seen.add(key);
  }
}

function* validateSetItems(items: JSONSchemaProps, field: string): FieldErrors {
  if (items.nullable)
    yield forbiddenField(`${field}.nullable`, 'cannot be nullable when x-kubernetes-list-type is set');
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    yield forbiddenField(`${field}.type`, 'object items must be atomic when x-kubernetes-list-type is set');
  if (items.type === 'array' && items['x-kubernetes-list-type'] !== 'atomic')
    yield forbiddenField(`${field}.type`, 'array items must be atomic when x-kubernetes-list-type is set');
}

function* validateMapMarks(schema: JSONSchemaProps, field: string): FieldErrors {
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  if (schema.type !== 'object')
    yield invalidValue(
      `${field}.type`,
      schema.type ?? '',
      'must be object if x-kubernetes-map-type is specified',
    );
  if (mapType !== 'atomic' && mapType !== 'granular')
    yield notSupported(`${field}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']);
}

/** A default is a value of its own schema. */
function* validateDefault(schema: JSONSchemaProps, field: string): FieldErrors {
  if (schema.default === undefined) return;
  const { default: value, ...rest } = schema;
  for (const error of validateStructure(rest, value)) {
    const path = `${field}.default${error.field ? `.${error.field}` : ''}`;
    yield { ...error, field: path, text: `${path}: ${error.detail}` };
  }
}

function* validateRules(schema: JSONSchemaProps, field: string): FieldErrors {
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const path = `${field}.x-kubernetes-validations[${index}]`;
    if (!rule.rule?.trim()) {
      yield required(`${path}.rule`, 'rule is not specified');
      continue;
    }
    if (rule.message?.includes('\n'))
      yield invalidValue(`${path}.message`, rule.message, 'must not contain line breaks');
    if (rule.rule.includes('\n') && !rule.message && !rule.messageExpression)
      yield required(`${path}.message`, 'message must be specified if rule contains line breaks');
    try {
      compileRule(rule);
      checkTypes(rule.rule, schema, field);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      yield invalidValue(`${path}.rule`, rule.rule, `compilation failed: ${error.message}`);
    }
  }
}

const ruleVariables = ['self', 'oldSelf'];

/** @throws CelError when a rule names what its schema does not have */
function checkTypes(rule: string, schema: JSONSchemaProps, field: string): void {
  const self = field.endsWith('openAPIV3Schema')
    ? resourceNode(schema as StructuralSchema)
    : structuralNode(schema as StructuralSchema);
  const [problem] = new TypeChecker(ruleVariables, { self }).problemsOf(rule);
  if (problem) throw new CelError(problem);
}

const emptyInBranches = ['type', 'description', 'title'] as const;
const undefinedInBranches = ['default', 'additionalProperties'] as const;
const falseInBranches = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const;

/** A schema below allOf, anyOf, oneOf or not, and what the structure has at the same place. */
interface Branch {
  branch: JSONSchemaProps;
  structure: JSONSchemaProps;
  field: string;
  structurePath: string;
}

function* validateJunctors(at: Branch): FieldErrors {
  const { branch, field } = at;
  for (const name of junctors)
    for (const [index, nested] of (branch[name] ?? []).entries())
      yield* validateBranch({ ...at, branch: nested, field: `${field}.${name}[${index}]` }, name);
  if (branch.not) yield* validateBranch({ ...at, branch: branch.not, field: `${field}.not` }, 'not');
}

/** It only narrows what the structure says already. `where`: what it stands in. */
function* validateBranch(at: Branch, where: string): FieldErrors {
  const { branch, structure, field, structurePath } = at;
  if (isIntOrStringPattern(structure, where)) return;
  for (const name of emptyInBranches)
    if (branch[name]) yield forbiddenField(`${field}.${name}`, 'must be empty to be structural');
  for (const name of undefinedInBranches)
    if (branch[name] !== undefined)
      yield forbiddenField(`${field}.${name}`, 'must be undefined to be structural');
  for (const name of falseInBranches)
    if (branch[name]) yield forbiddenField(`${field}.${name}`, 'must be false to be structural');
  for (const [name, property] of Object.entries(branch.properties ?? {}))
    yield* validateBranchProperty(at, name, property);
  const items = branch.items as JSONSchemaProps | undefined;
  if (items) {
    const own = structure.items as JSONSchemaProps | undefined;
    const below = { field: `${field}.items`, structurePath: `${structurePath}.items` };
    if (!own) yield required(below.structurePath, `because it is defined in ${below.field}`);
    else yield* validateBranch({ branch: items, structure: own, ...below }, 'items');
  }
  yield* validateJunctors(at);
}

function* validateBranchProperty(
  { structure, field, structurePath }: Branch,
  name: string,
  property: JSONSchemaProps,
): FieldErrors {
  const own = structure.properties?.[name];
  const below = {
    field: `${field}.properties[${name}]`,
    structurePath: `${structurePath}.properties[${name}]`,
  };
  if (own) yield* validateBranch({ branch: property, structure: own, ...below }, 'properties');
  else if (typeof structure.additionalProperties !== 'object')
    yield required(below.structurePath, `because it is defined in ${below.field}`);
}

/** The one place where types may stand in a junctor: integer or string. */
function isIntOrStringPattern(structure: JSONSchemaProps, where: string): boolean {
  return structure['x-kubernetes-int-or-string'] === true && (where === 'anyOf' || where === 'allOf');
}

export function hasDefaults(schema: JSONSchemaProps): boolean {
  if (schema.default !== undefined) return true;
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  return (
    Object.values(schema.properties ?? {}).some(hasDefaults) ||
    (typeof schema.items === 'object' &&
      schema.items !== null &&
      hasDefaults(schema.items as JSONSchemaProps)) ||
    (typeof additional === 'object' && additional !== null && hasDefaults(additional))
  );
}
