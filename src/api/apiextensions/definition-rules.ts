/** The rules of a definition itself: names, versions, columns, subresources, conversion. Schemas have a file of their own. */

import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from '../field-error.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
} from '../types/apiextensions-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { type Errors, immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dns1035LabelProblems, subdomainProblems } from '../validation/names.ts';
import { validateWebhookClient } from '../validation/webhook-client.ts';
import { hasDefaults, validateSchema } from './schema-rules.ts';

const approvalAnnotation = 'api-approved.kubernetes.io';
const approvalHint = 'https://github.com/kubernetes/enhancements/pull/1111';
const columnTypes = 'boolean,date,integer,number,string';
const columnFormats = 'byte,date,date-time,double,float,int32,int64,name,password';
const selectableFieldsMax = 8;

export function* validateDefinition(definition: CustomResourceDefinition, isBeta: boolean): FieldErrors {
  const { spec, metadata } = definition;
  if (!spec) {
    yield required('spec');
    return;
  }
  const name = `${spec.names?.plural}.${spec.group}`;
  // That there is no name at all is told for every kind.
  if (metadata.name && metadata.name !== name)
    yield invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  yield* validateApproval(definition);
  yield* validateGroup(spec.group);
  yield* oneOf(spec.scope, ['Cluster', 'Namespaced'], 'spec.scope', 'required');
  yield* validateNames(spec.names ?? {}, 'spec.names');
  yield* validateVersions(spec, isBeta);
  yield* validatePreservation(spec, isBeta);
  yield* validateConversion(spec.conversion, 'spec.conversion');
  yield* validateStoredVersions(definition);
}

function* validateGroup(group: string | undefined): FieldErrors {
  if (!group) yield required('spec.group');
  else {
    const problems = subdomainProblems(group);
    yield* invalidFor('spec.group', group, problems);
    if (problems.length === 0 && !group.includes('.'))
      yield invalidValue('spec.group', group, 'should be a domain with at least one dot');
  }
}

/** Groups of Kubernetes itself need somebody's approval. */
function* validateApproval({ spec, metadata }: CustomResourceDefinition): FieldErrors {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? '')) return;
  const approval = metadata.annotations?.[approvalAnnotation];
  const field = `metadata.annotations[${approvalAnnotation}]`;
  if (approval === undefined)
    yield required(
      field,
      `protected groups must have approval annotation "${approvalAnnotation}", see ${approvalHint}`,
    );
  else if (!approval.startsWith('unapproved') && !URL.canParse(approval))
    yield invalidValue(
      field,
      approval,
      `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", see ${approvalHint}`,
    );
}

function* validateNames(names: Partial<CustomResourceDefinitionNames>, field: string): FieldErrors {
  const { plural, singular, kind, listKind } = names;
  const label = (value: string, path: string): Errors => invalidFor(path, value, dns1035LabelProblems(value));
  const mixedCase = (value: string, path: string): Errors =>
    invalidFor(
      path,
      value,
      dns1035LabelProblems(value.toLowerCase()).map(
        (why) => `may have mixed case, but should otherwise match: ${why}`,
      ),
    );
  if (!plural) yield required(`${field}.plural`);
  else yield* label(plural, `${field}.plural`);
  if (!singular) yield required(`${field}.singular`);
  else yield* label(singular, `${field}.singular`);
  if (!kind) yield required(`${field}.kind`);
  else yield* mixedCase(kind, `${field}.kind`);
  if (!listKind) yield required(`${field}.listKind`);
  else yield* mixedCase(listKind, `${field}.listKind`);
  if (kind && kind === listKind)
    yield invalidValue(`${field}.listKind`, listKind, 'kind and listKind may not be the same');
  for (const list of ['shortNames', 'categories'] as const)
    for (const [index, name] of (names[list] ?? []).entries())
      yield* label(name, `${field}.${list}[${index}]`);
}

function* validateVersions(spec: CustomResourceDefinitionSpec, isBeta: boolean): FieldErrors {
  const versions = spec.versions ?? [];
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    yield invalidValue('spec.versions', versions, 'must contain unique version names');
  if (versions.filter(({ storage }) => storage).length !== 1)
    yield invalidValue('spec.versions', versions, 'must have exactly one version marked as storage version');
  const places = placesOf(versions);
  for (const [index, version] of versions.entries()) {
    const path = `spec.versions[${index}]`;
    yield* invalidFor(`${path}.name`, version.name, dns1035LabelProblems(version.name ?? ''));
    if (version.deprecationWarning !== undefined && !version.deprecated)
      yield invalidValue(
        `${path}.deprecationWarning`,
        version.deprecationWarning,
        'can only be set for deprecated versions',
      );
    if (!version.schema?.openAPIV3Schema) {
      if (!isBeta) yield required(`${path}.schema.openAPIV3Schema`);
    } else if (index === 0 || !places.schemaShared)
      yield* validateSchema(version.schema.openAPIV3Schema, {
        field: places.schemaShared ? 'spec.validation.openAPIV3Schema' : `${path}.schema.openAPIV3Schema`,
        mustBeStructural: !spec.preserveUnknownFields,
      });
    if (index === 0 || !places.columnsShared)
      yield* validateColumns(
        version.additionalPrinterColumns ?? [],
        places.columnsShared ? 'spec.additionalPrinterColumns' : `${path}.additionalPrinterColumns`,
      );
    if (index === 0 || !places.subresourcesShared)
      yield* validateSubresources(
        version.subresources,
        places.subresourcesShared ? 'spec.subresources' : `${path}.subresources`,
      );
    if (index === 0 || !places.selectableShared)
      yield* validateSelectableFields(
        version,
        places.selectableShared ? 'spec.selectableFields' : `${path}.selectableFields`,
      );
  }
}

/** Upstream keeps what all versions share once, and names it there. */
function placesOf(versions: readonly CustomResourceDefinitionVersion[]) {
  const [first, ...others] = versions;
  const shared = (name: 'schema' | 'additionalPrinterColumns' | 'subresources' | 'selectableFields') =>
    others.every((version) => semanticEqual(version[name], first?.[name]));
  return {
    schemaShared: shared('schema'),
    columnsShared: shared('additionalPrinterColumns'),
    subresourcesShared: shared('subresources'),
    selectableShared: shared('selectableFields'),
  };
}

function* validatePreservation(spec: CustomResourceDefinitionSpec, isBeta: boolean): FieldErrors {
  if (!spec.preserveUnknownFields) return;
  if (
    (spec.versions ?? []).some(({ schema }) => schema?.openAPIV3Schema && hasDefaults(schema.openAPIV3Schema))
  )
    yield invalidValue(
      'spec.preserveUnknownFields',
      true,
      'must be false in order to use defaults in the schema',
    );
  if (!isBeta)
    yield invalidValue(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    );
}

function* validateColumns(columns: CustomResourceColumnDefinition[], field: string): FieldErrors {
  for (const [index, column] of columns.entries()) {
    const path = `${field}[${index}]`;
    if (!column.name) yield required(`${path}.name`);
    if (!column.type) yield required(`${path}.type`, `must be one of ${columnTypes}`);
    else if (!columnTypes.split(',').includes(column.type))
      yield invalidValue(`${path}.type`, column.type, `must be one of ${columnTypes}`);
    if (column.format && !columnFormats.split(',').includes(column.format))
      yield invalidValue(`${path}.format`, column.format, `must be one of ${columnFormats}`);
    if (!column.jsonPath) yield required(`${path}.JSONPath`);
    else yield* simplePath(column.jsonPath, `${path}.JSONPath`);
  }
}

function simplePath(path: string, field: string): Errors {
  return path.startsWith('.')
    ? []
    : [invalidValue(field, path, 'must be a simple json path starting with .')];
}

function* validateSubresources(
  subresources: CustomResourceSubresources | undefined,
  field: string,
): FieldErrors {
  const scale = subresources?.scale;
  if (!scale) return;
  const path = `${field}.scale`;
  for (const [name, root] of [
    ['specReplicasPath', '.spec'],
    ['statusReplicasPath', '.status'],
  ] as const) {
    if (!scale[name]) yield required(`${path}.${name}`);
    else if (!scale[name].startsWith('.'))
      yield invalidValue(`${path}.${name}`, scale[name], 'must be a simple json path starting with .');
    else if (!scale[name].startsWith(`${root}.`))
      yield invalidValue(`${path}.${name}`, scale[name], `should be a json path under ${root}`);
    else if (scale[name].includes('['))
      yield invalidValue(`${path}.${name}`, scale[name], 'should be a simple path');
  }
  const selector = scale.labelSelectorPath;
  if (selector && !selector.startsWith('.status.') && !selector.startsWith('.spec.'))
    yield invalidValue(
      `${path}.labelSelectorPath`,
      selector,
      'should be a json path under either .spec or .status',
    );
}

function* validateSelectableFields(
  { selectableFields: fields = [], schema }: CustomResourceDefinitionVersion,
  path: string,
): FieldErrors {
  if (fields.length > selectableFieldsMax) yield tooMany(path, fields.length, selectableFieldsMax);
  for (const [index, { jsonPath }] of fields.entries()) {
    if (!jsonPath) yield required(`${path}[${index}].jsonPath`);
    else yield* simplePath(jsonPath, `${path}[${index}].jsonPath`);
    if (jsonPath?.startsWith('.metadata'))
      yield invalidValue(`${path}[${index}].jsonPath`, jsonPath, 'must not point to fields in metadata');
    else if (jsonPath && !isDeclared(jsonPath, schema?.openAPIV3Schema))
      yield invalidValue(
        `${path}[${index}].jsonPath`,
        jsonPath,
        'is an invalid path: does not refer to a valid field',
      );
  }
}

/** Whether each name of a path such as `.spec.color` is among the properties of the one before. */
function isDeclared(path: string, schema: JSONSchemaProps | undefined): boolean {
  let node = schema;
  for (const name of path.split('.').slice(1)) node = node?.properties?.[name];
  return node !== undefined;
}

const reviewVersions = ['v1', 'v1beta1'];

function* validateConversion(conversion: CustomResourceConversion | undefined, field: string): FieldErrors {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (strategy !== 'None' && strategy !== 'Webhook') {
    yield notSupported(`${field}.strategy`, strategy, ['None', 'Webhook']);
    return;
  }
  // Upstream names the fields of the older version here.
  const clientPath = `${field}.webhookClientConfig`;
  const versionsPath = `${field}.conversionReviewVersions`;
  const versions = webhook?.conversionReviewVersions;
  if (strategy === 'None') {
    if (webhook?.clientConfig)
      yield forbiddenField(clientPath, 'should not be set when strategy is not set to Webhook');
    if (versions?.length)
      yield forbiddenField(versionsPath, 'should not be set when strategy is not set to Webhook');
    return;
  }
  const client = webhook?.clientConfig;
  if (!client) yield required(clientPath, 'required when strategy is set to Webhook');
  else yield* validateWebhookClient(client, clientPath);
  if (!versions?.length) yield required(versionsPath);
  else {
    if (!versions.some((version) => reviewVersions.includes(version)))
      yield invalidValue(versionsPath, versions, `must include at least one of ${reviewVersions.join(', ')}`);
    for (const [index, version] of versions.entries())
      yield* invalidFor(`${versionsPath}[${index}]`, version, dns1035LabelProblems(version));
  }
}

function* validateStoredVersions({ spec, status }: CustomResourceDefinition): FieldErrors {
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0)
    yield invalidValue('status.storedVersions', null, 'must have at least one stored version');
  const versions = spec.versions ?? [];
  for (const [index, name] of stored.entries())
    if (!versions.some((version) => version.name === name))
      yield invalidValue(`status.storedVersions[${index}]`, name, 'must appear in spec.versions');
}

export function* validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
): FieldErrors {
  const established = (old.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  );
  if (!established) return;
  yield* immutable(definition.spec.scope, old.spec.scope, 'spec.scope');
  yield* immutable(definition.spec.names?.kind, old.spec.names?.kind, 'spec.names.kind');
  yield* immutable(definition.spec.group, old.spec.group, 'spec.group');
  yield* immutable(definition.spec.names?.plural, old.spec.names?.plural, 'spec.names.plural');
}
