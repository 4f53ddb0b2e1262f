/** The rules of a definition itself: names, versions, columns, subresources, conversion. Schemas have a file of their own. */

import type { StructuralSchema } from '../structural/schema.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
} from '../types/apiextensions-v1.gen.ts';
import { caBundleProblem } from '../validation/ca-bundle.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidOptionalText,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from '../validation/field-error.ts';
import { type Errors, immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dns1035LabelProblems, subdomainProblems } from '../validation/names.ts';
import { validateWebhookClient } from '../validation/webhook-client.ts';
import { approvalAnnotation, approvalOf } from './approval.ts';
import { findField } from './field-paths.ts';
import { hasDefaults, validateSchema } from './schema-rules.ts';

const columnTypes = 'boolean,date,integer,number,string';
const columnFormats = 'byte,date,date-time,double,float,int32,int64,password';
const selectableFieldsMax = 8;

/** The version in which the definition was sent; the older one allows what the newer no longer does. */
interface DefinitionVersion {
  isBeta: boolean;
}

/** What is written: a new definition, or the change of one, of which {@link validateDefinitionUpdate} says the rest. */
interface DefinitionWrite extends DefinitionVersion {
  isUpdate: boolean;
}

export function* validateDefinition(
  definition: CustomResourceDefinition,
  { isUpdate, ...version }: DefinitionWrite,
): FieldErrors {
  const { spec, metadata } = definition;
  if (!spec) {
    yield required('spec');
    return;
  }
  const name = `${spec.names?.plural}.${spec.group}`;
  // A missing name is reported by the rules for all kinds, and what it is made of is immutable.
  if (!isUpdate && metadata.name && metadata.name !== name)
    yield invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  yield* validateGroup(spec.group);
  yield* oneOf(spec.scope, ['Cluster', 'Namespaced'], 'spec.scope', 'required');
  yield* validateVersions(spec, version);
  yield* validateNames(spec.names ?? {}, 'spec.names');
  yield* validateDefaultsArePruned(spec);
  yield* validateConversion(spec.conversion, 'spec.conversion');
  if (isUpdate) return;
  yield* validateStoredVersions(definition);
  yield* validateApproval(definition);
  yield* validatePreservation(spec, version);
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

/** Groups of Kubernetes itself require an approval. */
function* validateApproval(definition: CustomResourceDefinition): FieldErrors {
  const approval = approvalOf(definition);
  const field = `metadata.annotations[${approvalAnnotation}]`;
  if (approval?.reason === 'MissingAnnotation') yield required(field, approval.message);
  if (approval?.reason === 'InvalidAnnotation')
    yield invalidValue(field, definition.metadata.annotations?.[approvalAnnotation], approval.message);
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

function* validateVersions(spec: CustomResourceDefinitionSpec, { isBeta }: DefinitionVersion): FieldErrors {
  const versions = spec.versions ?? [];
  const places = placesOf(versions);
  const printed = spec.versions?.map((version) => asPrinted(version, places)) ?? null;
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    yield invalidValue('spec.versions', printed, 'must contain unique version names');
  if (versions.filter(({ storage }) => storage).length !== 1)
    yield invalidValue('spec.versions', printed, 'must have exactly one version marked as storage version');
  for (const [index, version] of versions.entries()) {
    const path = `spec.versions[${index}]`;
    const nameProblems = dns1035LabelProblems(version.name ?? '');
    yield* invalidFor(`${path}.name`, version.name, nameProblems);
    // Upstream keeps the first version's name apart, too.
    if (index === 0) yield* invalidFor('spec.version', version.name, nameProblems);
    yield* validateDeprecation(version, `${path}.deprecationWarning`);
    if (!version.schema?.openAPIV3Schema) {
      if (!isBeta) yield required(`${path}.schema.openAPIV3Schema`);
    } else if (index === 0 || !places.schemaShared)
      yield* validateSchema(version.schema.openAPIV3Schema, {
        field: places.schemaShared ? 'spec.validation.openAPIV3Schema' : `${path}.schema.openAPIV3Schema`,
        mustBeStructural: !spec.preserveUnknownFields,
        hasStatus: places.schemaShared
          ? versions.some(({ subresources }) => subresources?.status)
          : Boolean(version.subresources?.status),
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

const warningBytesMax = 256;

function* validateDeprecation(
  { deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion,
  field: string,
): FieldErrors {
  if (warning === undefined) return;
  if (!deprecated) {
    yield invalidValue(field, warning, 'can only be set for deprecated versions');
    return;
  }
  if (Buffer.byteLength(warning) > warningBytesMax)
    yield invalidValue(field, warning, `must be <= ${warningBytesMax} characters long`);
  if (warning === '') yield invalidValue(field, warning, 'must not be an empty string');
  const unprintable = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.exec(warning);
  if (unprintable)
    yield invalidOptionalText(
      field,
      warning,
      `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(warning.slice(0, unprintable.index))}`,
    );
}

type Places = ReturnType<typeof placesOf>;

/** As upstream has it, without what all versions share. */
function asPrinted(version: CustomResourceDefinitionVersion, places: Places): unknown {
  const own: Partial<CustomResourceDefinitionVersion> = { ...version };
  if (places.schemaShared) delete own.schema;
  if (places.subresourcesShared) delete own.subresources;
  if (places.columnsShared) delete own.additionalPrinterColumns;
  if (places.selectableShared) delete own.selectableFields;
  return innerForm('apiextensions.CustomResourceDefinitionVersion', own);
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

function* validateDefaultsArePruned(spec: CustomResourceDefinitionSpec): FieldErrors {
  if (!spec.preserveUnknownFields) return;
  if (
    (spec.versions ?? []).some(({ schema }) => schema?.openAPIV3Schema && hasDefaults(schema.openAPIV3Schema))
  )
    yield invalidValue(
      'spec.preserveUnknownFields',
      true,
      'must be false in order to use defaults in the schema',
    );
}

function* validatePreservation(
  spec: CustomResourceDefinitionSpec,
  { isBeta }: DefinitionVersion,
): FieldErrors {
  if (spec.preserveUnknownFields && !isBeta)
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

function simplePath(path: string, field: string): readonly FieldError[] {
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
    else yield* pathUnder(scale[name], [root], root, `${path}.${name}`);
  }
  const selector = scale.labelSelectorPath;
  if (selector)
    yield* pathUnder(selector, ['.spec', '.status'], 'either .spec or .status', `${path}.labelSelectorPath`);
}

function pathUnder(
  path: string,
  roots: readonly string[],
  where: string,
  field: string,
): readonly FieldError[] {
  const errors = simplePath(path, field);
  if (errors.length > 0 || roots.some((root) => path.startsWith(`${root}.`))) return errors;
  return [invalidValue(field, path, `should be a json path under ${where}`)];
}

function* validateSelectableFields(
  { selectableFields: fields = [], schema }: CustomResourceDefinitionVersion,
  path: string,
): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const field = `${path}[${index}].jsonPath`;
    if (!jsonPath) {
      yield required(field);
      continue;
    }
    const found = findField(jsonPath, (schema?.openAPIV3Schema ?? {}) as StructuralSchema, {
      allowsKeys: false,
    });
    if ('problem' in found) {
      yield invalidValue(field, jsonPath, `is an invalid path: ${found.problem}`);
      continue;
    }
    if (found.steps[0] === 'metadata')
      yield invalidValue(field, jsonPath, 'must not point to fields in metadata');
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? ''))
      yield invalidValue(
        field,
        jsonPath,
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      );
    const steps = found.steps.join('.');
    if (seen.has(steps)) yield duplicate(field, jsonPath);
    seen.add(steps);
  }
  if (seen.size > selectableFieldsMax) yield tooMany(path, seen.size, selectableFieldsMax);
}

const reviewVersions = ['v1', 'v1beta1'];

function* validateConversion(conversion: CustomResourceConversion | undefined, field: string): FieldErrors {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (!strategy) yield required(`${field}.strategy`);
  else if (strategy !== 'None' && strategy !== 'Webhook') {
    yield notSupported(`${field}.strategy`, strategy, ['None', 'Webhook']);
  }
  // Upstream names the fields of the older version here.
  const clientPath = `${field}.webhookClientConfig`;
  const versionsPath = `${field}.conversionReviewVersions`;
  const versions = webhook?.conversionReviewVersions;
  if (strategy !== 'Webhook') {
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
  else yield* validateReviewVersions(versions, versionsPath);
}

function* validateReviewVersions(versions: readonly string[], field: string): FieldErrors {
  for (const [index, version] of versions.entries())
    if (versions.indexOf(version) < index)
      yield invalidValue(`${field}[${index}]`, version, 'duplicate version');
    else yield* invalidFor(`${field}[${index}]`, version, dns1035LabelProblems(version));
  if (!versions.some((version) => reviewVersions.includes(version)))
    yield invalidValue(field, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

function* validateStoredVersions({ spec, status }: CustomResourceDefinition): FieldErrors {
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) {
    yield invalidValue('status.storedVersions', null, 'must have at least one stored version');
    return;
  }
  const versions = spec.versions ?? [];
  for (const { name, storage } of versions)
    if (storage && !stored.includes(name))
      yield invalidValue('status.storedVersions', stored, `must have the storage version ${name}`);
  for (const [index, name] of stored.entries())
    if (!versions.some((version) => version.name === name))
      yield invalidValue(
        `status.storedVersions[${index}]`,
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      );
}

export function* validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
  version: DefinitionVersion,
): FieldErrors {
  const established = (old.status?.conditions ?? []).some(
    ({ type, status }) => type === 'Established' && status === 'True',
  );
  if (established) {
    yield* validateCaBundle(definition.spec.conversion, old.spec.conversion);
    yield* immutable(definition.spec.scope, old.spec.scope, 'spec.scope');
    yield* immutable(definition.spec.names?.kind, old.spec.names?.kind, 'spec.names.kind');
  }
  yield* immutable(definition.spec.group, old.spec.group, 'spec.group');
  yield* immutable(definition.spec.names?.plural, old.spec.names?.plural, 'spec.names.plural');
  yield* validateStoredVersions(definition);
  // What is not as it should be may stay so.
  if (approvalOf(definition)?.reason !== approvalOf(old)?.reason) yield* validateApproval(definition);
  if (!old.spec.preserveUnknownFields) yield* validatePreservation(definition.spec, version);
}

/** Tools fill in a new definition's bundle later, so only one that was in order has to stay so. */
function* validateCaBundle(
  conversion: CustomResourceConversion | undefined,
  old: CustomResourceConversion | undefined,
): FieldErrors {
  const caBundle = conversion?.strategy === 'Webhook' && conversion.webhook?.clientConfig?.caBundle;
  const before = old?.webhook?.clientConfig?.caBundle;
  if (!caBundle || (before && caBundleProblem(before))) return;
  const problem = caBundleProblem(caBundle);
  if (problem) yield invalidValue('spec.conversion.webhookClientConfig.caBundle', caBundle, problem);
}
