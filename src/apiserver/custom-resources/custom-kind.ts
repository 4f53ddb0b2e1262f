/** Turns a CustomResourceDefinition into a kind for the registry, which serves it like a built-in one. */

import type { CelTimes } from '../../api/cel/rules.ts';
import type { Deprecation, KindDefinition, ServedVersion } from '../../api/kinds/kind.ts';
import type { CustomResourceDefinition } from '../../api/resources.gen.ts';
import { findAll, parseJsonPath } from '../../api/structural/json-path.ts';
import type { StructuralSchema } from '../../api/structural/schema.ts';
import type {
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
} from '../../api/types/apiextensions-v1.gen.ts';
import { finalizerWarnings } from '../../api/validation/object-meta.ts';
import { inOneGo } from '../../base/async/turns.ts';
import { compareVersions } from '../discovery/groups.ts';
import type { KindOptions } from '../registry/kind-registry.ts';
import { customCodec } from './custom-codec.ts';
import { columnsOf } from './custom-columns.ts';
import { type CustomObject, VersionValidator } from './version-validator.ts';
import { type ConversionServices, WebhookConverter } from './webhook-conversion.ts';

export interface CustomKindServices extends ConversionServices {
  celTimes: CelTimes;
}

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
  const schemaOf = (version: string) =>
    versions.get(version)?.schema?.openAPIV3Schema as StructuralSchema | undefined;
  const codecFor = (version: string) => {
    const { selectableFields = [] } = versions.get(version) ?? {};
    const selectable = selectableFields.map(({ jsonPath }) => jsonPath.replace(/^\./, ''));
    // The schema says what is valid also where it does not say what is kept.
    const schema = keepsUnknown ? undefined : schemaOf(version);
    return customCodec({ group: spec.group, version, kind: names.kind }, schema, selectable);
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
      .map((version) => servedVersion(spec, version)),
    hasGeneration: true,
    ...subresourcesOf(stored),
    ...validation(validatorOf),
    *warnings(object, old) {
      yield* finalizerWarnings(object.metadata, old?.metadata);
      for (const validator of validators.values()) yield* validator.warningsOf(object);
    },
    ...selectable(stored),
    ...deprecated(spec, stored),
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
function servedVersion(
  spec: CustomResourceDefinition['spec'],
  version: CustomResourceDefinitionVersion,
): ServedVersion {
  return {
    group: spec.group,
    version: version.name,
    schema: '',
    toStored: (object) => object,
    fromStored: (object) => object,
    columns: columnsOf(version),
    selectableFields: selectable(version).selectableFields ?? (() => ({})),
    ...deprecated(spec, version),
  };
}

function deprecated(
  { group, names: { kind }, versions }: CustomResourceDefinition['spec'],
  { name, deprecated, deprecationWarning }: CustomResourceDefinitionVersion,
): { deprecation?: Deprecation } {
  if (!deprecated) return {};
  // The best of those that come before it.
  const [better] = versions
    .filter((version) => version.served && !version.deprecated && compareVersions(version.name, name) < 0)
    .map((version) => version.name)
    .sort(compareVersions);
  const instead = better ? `; use ${group}/${better} ${kind}` : '';
  const warning = deprecationWarning ?? `${group}/${name} ${kind} is deprecated${instead}`;
  return { deprecation: { since: name, warning } };
}

/** Where a definition's instances are stored. */
export function instancesPrefix({ group, names }: CustomResourceDefinition['spec']): string {
  return `${group}/${names.plural}`;
}

function validation(
  validatorOf: (apiVersion: string | undefined) => VersionValidator,
): Pick<KindDefinition<CustomObject>, 'validate' | 'validateInSteps'> {
  return {
    validate: (object, { apiVersion }) => inOneGo(validatorOf(apiVersion).validateInSteps(object, undefined)),
    validateInSteps: (object, old, { apiVersion }) => validatorOf(apiVersion).validateInSteps(object, old),
  };
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
