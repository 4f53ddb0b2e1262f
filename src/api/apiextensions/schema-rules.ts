/** The rules of a custom resource's schema: structural, without what cannot be kept or checked, with sound defaults. */

import type { StructuralSchema } from '../structural/schema.ts';
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
} from '../validation/field-error.ts';
import { validateDefaults } from './default-rules.ts';
import { validateListType, validateMapType } from './list-types.ts';
import { validateRuleCosts } from './rule-costs.ts';
import { validateStructurality } from './structural-rules.ts';
import { type RuleSite, validateRuleFields, validateRules } from './validation-rules.ts';

export interface SchemaContext {
  /** Path of the schema's root. */
  field: string;
  /** False for old definitions that keep unknown fields: any schema that can be parsed is accepted. */
  mustBeStructural: boolean;
  /**
   * The status is validated on its own, as the property of that name: no other constraint at the root may concern it.
   */
  hasStatus?: boolean;
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const junctors = ['allOf', 'oneOf', 'anyOf'] as const;
const resourceFields = ['metadata', 'kind', 'apiVersion'];
const isNothing = (value: unknown) =>
  value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

export function* validateSchema(root: JSONSchemaProps, context: SchemaContext): FieldErrors {
  const { field } = context;
  const ofStatus = context.hasStatus ? [...validateRootWithStatus(root, field)] : [];
  yield* ofStatus;
  const refused = ofStatus.length > 0 || root.nullable === true;
  if (root.nullable) yield forbiddenField(`${field}.nullable`, 'nullable cannot be true at the root');
  const unread = context.mustBeStructural ? unsupportedIn(root) : undefined;
  const structural = context.mustBeStructural && !unread ? structuralErrors(root, field) : [];
  yield* structural;
  const errors = { schema: [] as FieldError[], rules: [] as FieldError[] };
  const compiles = context.mustBeStructural && !unread && structural.length === 0;
  collect(root, { field, isRoot: true, compiles }, errors);
  yield* errors.schema;
  yield* errors.rules;
  if (unread && errors.schema.length === 0 && !refused)
    yield invalidValue(field, '', `OpenAPIV3Schema '${unread}' is not supported`);
  if (compiles) yield* validateRuleCosts(root, field);
}

/** As upstream calls them, in its order. */
const allowedWithStatus = [
  'Description',
  'Type',
  'Format',
  'Title',
  'Maximum',
  'ExclusiveMaximum',
  'Minimum',
  'ExclusiveMinimum',
  'MaxLength',
  'MinLength',
  'Pattern',
  'MaxItems',
  'MinItems',
  'UniqueItems',
  'MultipleOf',
  'Required',
  'Items',
  'Properties',
  'ExternalDocs',
  'Example',
  'XPreserveUnknownFields',
  'XValidations',
];

/** At most one error: for the first field, in the order of the internal type, that is not allowed. */
function* validateRootWithStatus(root: JSONSchemaProps, field: string): FieldErrors {
  const inner = innerForm('apiextensions.JSONSchemaProps', root) as Record<string, unknown>;
  for (const [name, value] of Object.entries(inner)) {
    if (name === 'Type' && value && value !== 'object')
      yield invalidValue(
        `${field}.type`,
        value,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      );
    else if (value && !allowedWithStatus.includes(name))
      yield invalidValue(
        field,
        inner,
        `only [${allowedWithStatus.join(' ')}] fields are allowed at the root of the schema if the status subresource is enabled`,
      );
    else continue;
    return;
  }
}

function structuralErrors(root: JSONSchemaProps, field: string): FieldError[] {
  const errors = validateStructurality(root, field);
  return errors.length > 0 ? errors : [...validateDefaults(root as StructuralSchema, field)];
}

/** The first keyword, anywhere, that no structural schema can have. */
function unsupportedIn(schema: JSONSchemaProps): string | undefined {
  if (schema.id) return 'id';
  if (schema.$schema) return 'schema';
  if (schema.$ref) return '$ref';
  for (const name of ['patternProperties', 'dependencies', 'additionalItems', 'definitions'] as const)
    if (!isNothing(schema[name])) return name;
  if (Array.isArray(schema.items)) return 'items';
  for (const { schema: child } of childrenOf(schema)) {
    const found = unsupportedIn(child);
    if (found) return found;
  }
  return undefined;
}

interface Child {
  schema: JSONSchemaProps;
  /** As it is appended to the parent's path. */
  step: string;
  /** Below a branch nothing is of its own. */
  isBranch?: boolean;
  /** The property of the parent that it is. */
  property?: string;
}

function childrenOf(schema: JSONSchemaProps): Child[] {
  const children: Child[] = [];
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  if (typeof additional === 'object') children.push({ schema: additional, step: '.additionalProperties' });
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    children.push({ schema: property, step: `.properties[${name}]`, property: name });
  if (schema.not) children.push({ schema: schema.not, step: '.not', isBranch: true });
  for (const name of junctors)
    for (const [index, branch] of (schema[name] ?? []).entries())
      children.push({ schema: branch, step: `.${name}[${index}]`, isBranch: true });
  const items = schema.items as JSONSchemaProps | undefined;
  if (items && !Array.isArray(items)) children.push({ schema: items, step: '.items' });
  return children;
}

interface Place extends RuleSite {
  isRoot?: boolean;
  /** Within metadata, kind or API version of a resource. */
  isMetadata?: boolean;
  /** Why no default may stand here. */
  noDefault?: string;
  /** Rules are compiled: the schema is structural, and no branch. */
  compiles: boolean;
}

interface Collected {
  schema: FieldError[];
  rules: FieldError[];
}

/** Upstream reports all errors of schemas before any of their rules. Returns whether the schema is valid so far. */
function collect(schema: JSONSchemaProps, place: Place, into: Collected): boolean {
  const before = into.schema.length;
  const { field, compiles } = place;
  into.schema.push(...validateUnsupported(schema, place));
  for (const child of childrenOf(schema)) collect(child.schema, placeOf(child, schema, place), into);
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    into.schema.push(
      invalidValue(`${field}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'),
    );
  into.schema.push(...validateMapType(schema, field), ...validateListType(schema, field));
  into.schema.push(...validateRuleFields(schema, field));
  const isSound = into.schema.length === before;
  if (isSound && compiles) into.rules.push(...validateRules(schema, place));
  return isSound;
}

function placeOf(child: Child, parent: JSONSchemaProps, place: Place): Place {
  const next: Place = { ...place, field: place.field + child.step, isRoot: false };
  if (child.isBranch) return { ...next, compiles: false };
  if (child.step === '.additionalProperties')
    return place.isMetadata
      ? { ...next, noDefault: 'inside additionalProperties applying to object metadata' }
      : next;
  if (child.step === '.items')
    return parent['x-kubernetes-list-type'] === 'map'
      ? next
      : { ...next, lostIn: place.lostIn ?? place.field };
  const isPart = place.isRoot || parent['x-kubernetes-embedded-resource'];
  if (!isPart || !resourceFields.includes(child.property ?? '')) return next;
  return {
    ...next,
    isMetadata: true,
    ...(place.isRoot && { noDefault: `in top-level ${child.property}` }),
  };
}

function* validateUnsupported(schema: JSONSchemaProps, place: Place): FieldErrors {
  const { field } = place;
  if (schema.type && !types.includes(schema.type)) yield notSupported(`${field}.type`, schema.type, types);
  if (schema.default !== undefined && place.noDefault)
    yield forbiddenField(`${field}.default`, `must not be set ${place.noDefault}`);
  for (const name of ['id', 'additionalItems', 'patternProperties', 'definitions', 'dependencies'] as const)
    if (schema[name] !== undefined) yield forbiddenField(`${field}.${name}`, `${name} is not supported`);
  if (schema.$ref) yield forbiddenField(`${field}.$ref`, '$ref is not supported');
  if ((schema.type as string) === 'null')
    yield forbiddenField(`${field}.type`, 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items))
    yield forbiddenField(`${field}.items`, 'items must be a schema object and not an array');
  if (place.isMetadata && schema['x-kubernetes-embedded-resource'])
    yield forbiddenField(
      `${field}.x-kubernetes-embedded-resource`,
      'must not be used inside of resource meta',
    );
  if (schema.uniqueItems)
    yield forbiddenField(
      `${field}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  const additional = schema.additionalProperties as unknown;
  if (additional !== undefined && additional !== true && Object.keys(schema.properties ?? {}).length > 0)
    yield forbiddenField(
      `${field}.additionalProperties`,
      'additionalProperties and properties are mutual exclusive',
    );
}

export function hasDefaults(schema: JSONSchemaProps): boolean {
  return schema.default !== undefined || childrenOf(schema).some(({ schema: child }) => hasDefaults(child));
}
