/** Turns a CustomResourceDefinition into a kind for the registry, which serves it like a built-in one. */

import { type CelTimes, SchemaRules } from '../../api/cel/rules.ts';
import { ageSince, creationDescription, nameDescription } from '../../api/columns.ts';
import { type FieldErrors, type FieldErrorType, invalidValue } from '../../api/field-error.ts';
import type { Column, Deprecation, KindDefinition, ServedVersion } from '../../api/kind.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { CustomResourceDefinition } from '../../api/resources.gen.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { validateEmbedded } from '../../api/structural/embedded.ts';
import { findAll, type JsonPath, JsonPathError, parseJsonPath } from '../../api/structural/json-path.ts';
import type { StructuralSchema } from '../../api/structural/schema.ts';
import { validateListItems } from '../../api/structural/unlike-items.ts';
import { validateStructure } from '../../api/structural/validate.ts';
import type {
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
} from '../../api/types/apiextensions-v1.gen.ts';
import type { ResourceCodec } from '../registry/conversion/codec.ts';
import { convertedNow, type VersionConverter } from '../registry/conversion/version-converter.ts';
import type { KindOptions } from '../registry/kind-registry.ts';
import { customCodec } from './custom-codec.ts';
import { nestedCount, nestedString } from './nested-value.ts';
import { type ConversionServices, WebhookConverter } from './webhook-conversion.ts';

export interface CustomKindServices extends ConversionServices {
  celTimes: CelTimes;
}

type CustomObject = KubeObject & Record<string, unknown>;

/** What is registered for a definition, under the names that were accepted for it. */
export function customKind(
  definition: CustomResourceDefinition,
  services: CustomKindServices,
): {
  definition: KindDefinition;
  options: KindOptions;
} {
  const { spec } = definition;
  const names = acceptedNamesOf(definition);
  const stored = spec.versions.find((version) => version.storage) ?? spec.versions[0]!;
  const keepsUnknown = spec.preserveUnknownFields === true;
  const versions = new Map(spec.versions.map((version) => [version.name, version]));
  const schemaOf = (version: string): StructuralSchema | undefined =>
    keepsUnknown
      ? undefined
      : (versions.get(version)?.schema?.openAPIV3Schema as StructuralSchema | undefined);
  const codecFor = (version: string) => {
    const { selectableFields = [] } = versions.get(version) ?? {};
    const selectable = selectableFields.map(({ jsonPath }) => jsonPath.replace(/^\./, ''));
    return customCodec({ group: spec.group, version, kind: names.kind }, schemaOf(version), selectable);
  };
  const webhook = spec.conversion?.strategy === 'Webhook' ? spec.conversion.webhook : undefined;
  const converter = webhook && new WebhookConverter(webhook, services);
  const validators = new Map(
    spec.versions.map(({ name: version, subresources }) => [
      `${spec.group}/${version}`,
      new VersionValidator({
        apiVersion: `${spec.group}/${version}`,
        codec: codecFor(version),
        schema: schemaOf(version),
        scale: subresources?.scale,
        converter,
        times: services.celTimes,
      }),
    ]),
  );
  const validatorOf = (apiVersion = '') =>
    validators.get(apiVersion) ?? validators.get(`${spec.group}/${stored.name}`)!;
  const kind: KindDefinition<CustomObject> = {
    ...identityOf(definition, stored),
    columns: columnsOf(stored),
    versions: spec.versions
      .filter((version) => version !== stored && version.served)
      .map((version) => servedVersion(spec.group, names.kind, version)),
    hasGeneration: true,
    ...subresourcesOf(stored),
    ...validation(validatorOf),
    ...selectable(stored),
    ...deprecated(spec.group, names.kind, stored),
  };
  return {
    definition: kind as KindDefinition,
    options: {
      isCustom: true,
      ...(converter && { converter }),
      codecFor,
    },
  };
}

function acceptedNamesOf({ spec, status }: CustomResourceDefinition): CustomResourceDefinitionNames {
  return status?.acceptedNames?.plural ? status.acceptedNames : spec.names;
}

function identityOf(
  definition: CustomResourceDefinition,
  stored: CustomResourceDefinitionVersion,
): Pick<
  KindDefinition<CustomObject>,
  'type' | 'schema' | 'singular' | 'shortNames' | 'categories' | 'storagePrefix'
> {
  const { spec } = definition;
  const names = acceptedNamesOf(definition);
  return {
    type: {
      group: spec.group,
      version: stored.name,
      kind: names.kind,
      plural: names.plural,
      namespaced: spec.scope === 'Namespaced',
    },
    schema: '',
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    storagePrefix: instancesPrefix(spec),
  };
}

function subresourcesOf({
  subresources,
}: CustomResourceDefinitionVersion): Pick<
  KindDefinition<CustomObject>,
  'status' | 'scale' | 'prepareCreate' | 'prepareUpdate' | 'prepareStatusUpdate'
> {
  const hasStatus = subresources?.status !== undefined;
  const scale = subresources?.scale;
  return {
    status: hasStatus ? 'separate' : 'none',
    ...(scale && {
      scale: {
        specReplicas: withoutDot(scale.specReplicasPath),
        statusReplicas: withoutDot(scale.statusReplicasPath),
        ...(scale.labelSelectorPath && { labelSelector: withoutDot(scale.labelSelectorPath) }),
      },
    }),
    prepareCreate(object) {
      if (hasStatus) delete object.status;
    },
    prepareUpdate(object, old) {
      if (!hasStatus) return;
      if (old.status === undefined) delete object.status;
      else object.status = old.status;
    },
    prepareStatusUpdate(object, old) {
      const { status } = object;
      for (const key of Object.keys(object)) if (key !== 'metadata') delete object[key];
      Object.assign(object, old, {
        metadata: { ...old.metadata, managedFields: object.metadata.managedFields },
      });
      delete object.status;
      if (status !== undefined) object.status = status;
    },
  };
}

/** Between versions only the schema and the columns differ, unless a webhook converts (see webhook-conversion.ts). */
function servedVersion(group: string, kind: string, version: CustomResourceDefinitionVersion): ServedVersion {
  return {
    group,
    version: version.name,
    schema: '',
    toStored: (object) => object,
    fromStored: (object) => object,
    columns: columnsOf(version),
    selectableFields: selectable(version).selectableFields ?? (() => ({})),
    ...deprecated(group, kind, version),
  };
}

function deprecated(
  group: string,
  kind: string,
  { name, deprecated, deprecationWarning }: CustomResourceDefinitionVersion,
): { deprecation?: Deprecation } {
  const warning = deprecationWarning ?? `${group}/${name} ${kind} is deprecated`;
  return deprecated ? { deprecation: { since: name, warning } } : {};
}

type ScalePaths = NonNullable<NonNullable<CustomResourceDefinitionVersion['subresources']>['scale']>;

interface VersionValidatorOptions {
  apiVersion: string;
  codec: ResourceCodec;
  schema: StructuralSchema | undefined;
  scale: ScalePaths | undefined;
  /** Without one an object looks the same in all versions. */
  converter: VersionConverter | undefined;
  times: CelTimes;
}

/** Where a definition's instances are stored. */
export function instancesPrefix({ group, names }: CustomResourceDefinition['spec']): string {
  return `${group}/${names.plural}`;
}

/** What one version has to say of an object, as that version shows it. */
class VersionValidator {
  readonly #options: VersionValidatorOptions;
  readonly #rules: SchemaRules | undefined;

  constructor(options: VersionValidatorOptions) {
    this.#options = options;
    this.#rules = options.schema && new SchemaRules(options.schema, options.times);
  }

  /** Of the stored version. @throws ConversionNeeded */
  *validate(object: CustomObject, old: CustomObject | undefined): FieldErrors {
    const { schema, scale } = this.#options;
    const shown = this.#shown(object);
    yield* validateContent(schema, this.#rules, shown, old && this.#shown(old));
    if (scale) yield* validateScale(shown, scale);
  }

  #shown(object: CustomObject): CustomObject {
    const { converter, codec, apiVersion } = this.#options;
    if (!converter || object.apiVersion === apiVersion) return object;
    const converted = convertedNow(converter, object, apiVersion);
    return (codec.refresh?.(converted) ?? converted) as CustomObject;
  }
}

function validation(
  validatorOf: (apiVersion: string | undefined) => VersionValidator,
): Pick<KindDefinition<CustomObject>, 'validate' | 'validateUpdate'> {
  // An update is validated once, against the old object; see validateUpdate.
  return {
    *validate(object, { isUpdate, apiVersion }) {
      if (!isUpdate) yield* validatorOf(apiVersion).validate(object, undefined);
    },
    validateUpdate: (object, old, { apiVersion }) => validatorOf(apiVersion).validate(object, old),
  };
}

function* validateContent(
  schema: StructuralSchema | undefined,
  rules: SchemaRules | undefined,
  object: CustomObject,
  old: CustomObject | undefined,
): FieldErrors {
  if (!schema) return;
  const duplicates = [...validateListItems(schema, object)];
  const errors = [
    ...validateStructure(schema, object, old),
    ...validateEmbedded(schema, asJsonObject(object)),
    ...(duplicates.length > 0 && old && hasDuplicates(schema, old) ? [] : duplicates),
  ];
  yield* errors;
  if (!rules || rules.isEmpty) return;
  if (!errors.some(({ type }) => blocking.has(type))) yield* rules.validate(object, old);
  else {
    const why =
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
    yield invalidValue('<nil>', null, why);
  }
}

/** Of an object like this, rules cannot be asked. */
const blocking: ReadonlySet<FieldErrorType> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
] as const);

/** What was there before is not held against a change. */
function hasDuplicates(schema: StructuralSchema, old: CustomObject): boolean {
  return validateListItems(schema, old).next().done !== true;
}

const countMax = 2 ** 31 - 1;

function* validateScale(object: CustomObject, scale: ScalePaths): FieldErrors {
  for (const path of [scale.specReplicasPath, scale.statusReplicasPath]) {
    const found = nestedCount(object, path);
    if ('problem' in found) yield invalidValue(path, 0, found.problem);
    else if ('absent' in found) continue;
    else if (found.value < 0) yield invalidValue(path, found.value, 'should be a non-negative integer');
    else if (found.value > countMax)
      yield invalidValue(path, found.value, `should be less than or equal to ${countMax}`);
  }
  const { labelSelectorPath } = scale;
  const selector = labelSelectorPath && nestedString(object, labelSelectorPath);
  if (selector && 'problem' in selector) yield invalidValue(labelSelectorPath, '', selector.problem);
}

function columnsOf({ additionalPrinterColumns }: CustomResourceDefinitionVersion): Column[] {
  const name: Column = {
    name: 'Name',
    type: 'string',
    format: 'name',
    description: nameDescription,
    cell: (object) => object.metadata.name,
  };
  const given = additionalPrinterColumns ?? [
    {
      name: 'Age',
      type: 'date',
      jsonPath: '.metadata.creationTimestamp',
      description: creationDescription,
      format: '',
      priority: 0,
    },
  ];
  return [
    name,
    ...given.map((column): Column => {
      const path = readablePath(column.jsonPath);
      return {
        name: column.name,
        type: column.type as Column['type'],
        ...(column.format && { format: column.format }),
        ...(column.description && { description: column.description }),
        priority: column.priority ?? 0,
        cell: (object, context) => path && cellOf(column.type, findAll(path, object), context.nowMs),
      };
    }),
  ];
}

/** A definition may have any path that begins with a dot: a column whose path cannot be read stays empty. */
function readablePath(path: string): JsonPath | undefined {
  try {
    return parseJsonPath(path);
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

/** A cell shows the first value at the path, if it has the column's type. */
function cellOf(type: string, [value]: readonly unknown[], nowMs: number): unknown {
  if (value === undefined || value === null) return type === 'date' ? '<unknown>' : null;
  if (type === 'date') return ageSince(typeof value === 'string' ? value : undefined, nowMs);
  if (typeof value === 'bigint')
    return type === 'integer' || type === 'number' ? value : type === 'boolean' ? null : String(value);
  if (type === 'integer') return typeof value === 'number' ? Math.trunc(value) : null;
  if (type === 'number') return typeof value === 'number' ? value : null;
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function selectable({
  selectableFields,
}: CustomResourceDefinitionVersion): Pick<KindDefinition, 'selectableFields'> {
  if (!selectableFields?.length) return {};
  const fields = selectableFields.map(({ jsonPath }) => ({
    name: withoutDot(jsonPath),
    path: parseJsonPath(jsonPath),
  }));
  return {
    selectableFields: (object) =>
      Object.fromEntries(
        fields.map(({ name, path }) => {
          const [value] = findAll(path, object);
          return [name, value === undefined || value === null ? '' : String(value)];
        }),
      ),
  };
}

function withoutDot(path: string): string {
  return path.replace(/^\./, '');
}
