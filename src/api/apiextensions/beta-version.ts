/** Conversion of definitions from and to v1beta1, where what all versions share is in the spec itself. */
import type { KubeObject } from '../meta.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../types/apiextensions-v1.gen.ts';
import type {
  CustomResourceColumnDefinition as OldColumn,
  CustomResourceDefinition as OldDefinition,
  CustomResourceDefinitionVersion as OldVersion,
} from '../types/apiextensions-v1beta1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';

export function fromBeta(object: KubeObject): KubeObject {
  const source = object as OldDefinition;
  const target = object as CustomResourceDefinition;
  const old = source.spec;
  if (!old) return target;
  const {
    version,
    validation,
    subresources,
    additionalPrinterColumns,
    selectableFields,
    conversion,
    ...kept
  } = old;
  const versions = old.versions?.length
    ? old.versions
    : [{ name: version ?? '', served: true, storage: true } satisfies OldVersion];
  target.spec = {
    group: kept.group,
    names: kept.names,
    scope: kept.scope,
    ...(kept.preserveUnknownFields && { preserveUnknownFields: true }),
    versions: versions.map((each) =>
      versionFromBeta(each, { validation, subresources, additionalPrinterColumns, selectableFields }),
    ),
  };
  if (conversion) {
    const { strategy, webhookClientConfig, conversionReviewVersions } = conversion;
    target.spec.conversion = { strategy };
    if (webhookClientConfig || conversionReviewVersions)
      target.spec.conversion.webhook = {
        ...(webhookClientConfig && { clientConfig: webhookClientConfig }),
        // This version took the first review version for granted.
        conversionReviewVersions: conversionReviewVersions ?? ['v1beta1'],
      };
  }
  return target;
}

type Common = Pick<
  OldDefinition['spec'],
  'validation' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields'
> & { [name: string]: unknown };

function versionFromBeta(
  old: OldVersion,
  common: { [name in keyof Common]?: Common[name] | undefined },
): CustomResourceDefinitionVersion {
  const { additionalPrinterColumns, ...rest } = old;
  const version = rest as CustomResourceDefinitionVersion;
  const columns = additionalPrinterColumns ?? common.additionalPrinterColumns;
  if (columns) version.additionalPrinterColumns = columns.map(columnFromBeta);
  if (!version.schema && common.validation)
    version.schema = common.validation as NonNullable<typeof version.schema>;
  if (!version.subresources && common.subresources) version.subresources = common.subresources;
  if (!version.selectableFields && common.selectableFields)
    version.selectableFields = common.selectableFields;
  return version;
}

function columnFromBeta({ JSONPath, ...rest }: OldColumn): CustomResourceColumnDefinition {
  return { ...rest, jsonPath: JSONPath };
}

function columnToBeta({ jsonPath, ...rest }: CustomResourceColumnDefinition): OldColumn {
  return { ...rest, JSONPath: jsonPath };
}

export function toBeta(object: KubeObject): KubeObject {
  const source = object as CustomResourceDefinition;
  const target = object as OldDefinition;
  const { spec } = source;
  if (!spec) return object;
  const versions: OldVersion[] = spec.versions.map(({ additionalPrinterColumns, ...rest }) => ({
    ...(rest as OldVersion),
    ...(additionalPrinterColumns && { additionalPrinterColumns: additionalPrinterColumns.map(columnToBeta) }),
  }));
  const old: OldDefinition['spec'] = {
    group: spec.group,
    names: spec.names,
    scope: spec.scope,
    preserveUnknownFields: spec.preserveUnknownFields ?? false,
    versions,
  };
  if (versions[0]) old.version = versions[0].name;
  hoist(old, versions);
  if (spec.conversion) {
    const { strategy, webhook } = spec.conversion;
    old.conversion = {
      strategy,
      ...(webhook?.clientConfig && { webhookClientConfig: webhook.clientConfig }),
      ...(webhook?.conversionReviewVersions && {
        conversionReviewVersions: webhook.conversionReviewVersions,
      }),
    };
  }
  target.spec = old;
  return target as KubeObject;
}

/** What all versions share moves up into the spec. */
function hoist(spec: OldDefinition['spec'], versions: OldVersion[]): void {
  const [first, ...others] = versions;
  if (!first) return;
  const shared = (name: 'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields') =>
    first[name] !== undefined && others.every((version) => semanticEqual(version[name], first[name]));
  if (shared('schema')) {
    spec.validation = first.schema!;
    for (const version of versions) delete version.schema;
  }
  for (const name of ['subresources', 'additionalPrinterColumns', 'selectableFields'] as const) {
    if (!shared(name)) continue;
    Object.assign(spec, { [name]: first[name] });
    for (const version of versions) delete version[name];
  }
}
