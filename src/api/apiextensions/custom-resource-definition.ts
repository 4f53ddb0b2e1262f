/** CustomResourceDefinitions, in v1 and v1beta1. */
import { defineKind } from '../kinds/define-kind.ts';
import { CustomResourceDefinition } from '../resources.gen.ts';
import { fromBeta, toBeta } from './beta-version.ts';
import { validateDefinition, validateDefinitionUpdate } from './definition-rules.ts';
import { unknownFormatsIn } from './unknown-formats.ts';

/** Held by a deleted definition until its resources are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export const customResourceDefinitionKind = defineKind(CustomResourceDefinition, {
  storagePrefix: 'apiextensions.k8s.io/customresourcedefinitions',
  status: 'separate',
  hasGeneration: true,
  deletionFinalizers: [cleanupFinalizer],
  requiresVersionOnUpdate: true,
  defaults({ spec }) {
    if (!spec) return;
    const { names } = spec;
    if (names?.kind) {
      names.singular ||= names.kind.toLowerCase();
      names.listKind ||= `${names.kind}List`;
    }
    spec.conversion ??= { strategy: 'None' };
    const service = spec.conversion.webhook?.clientConfig?.service;
    if (service) service.port ??= 443;
  },
  prepareCreate(definition) {
    const stored = storageVersionOf(definition);
    const status = {
      conditions: null as never,
      acceptedNames: { plural: '', kind: '' },
      storedVersions: stored ? [stored] : [],
    };
    definition.status = status;
  },
  prepareUpdate(definition, old) {
    if (!old.status) return;
    const stored = storageVersionOf(definition);
    const known = old.status.storedVersions ?? [];
    definition.status =
      stored && !known.includes(stored) ? { ...old.status, storedVersions: [...known, stored] } : old.status;
  },
  /** Only marked: its time and its generation stay, and the condition already shows what will happen. */
  prepareDeletion({ metadata, status }) {
    delete metadata.deletionGracePeriodSeconds;
    if (metadata.generation) metadata.generation--;
    if (!status) return;
    const pending = {
      type: 'Terminating',
      status: 'True',
      lastTransitionTime: metadata.deletionTimestamp,
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    };
    status.conditions = [...(status.conditions ?? []).filter(({ type }) => type !== pending.type), pending];
  },
  prepareStatusUpdate(definition, old) {
    definition.spec = old.spec;
    const stored = storageVersionOf(definition);
    if (definition.status && stored && !definition.status.storedVersions?.length)
      definition.status.storedVersions = [stored];
  },
  *validate(definition, { subresource, apiVersion, isUpdate = false }) {
    if (subresource !== 'status')
      yield* validateDefinition(definition, { isBeta: isBeta(apiVersion), isUpdate });
  },
  *validateUpdate(definition, old, { subresource, apiVersion }) {
    if (subresource !== 'status')
      yield* validateDefinitionUpdate(definition, old, { isBeta: isBeta(apiVersion) });
  },
  warnings: (definition, old) => formatWarnings(definition, old),
  versions: [
    {
      version: 'v1beta1',
      defaults(object) {
        const spec = (object as CustomResourceDefinition).spec;
        if (!spec) return;
        // Later versions had to make explicit what this one leaves open: all fields are kept unless stated otherwise.
        spec.preserveUnknownFields ??= true;
        spec.scope ||= 'Namespaced';
      },
      toStored: fromBeta,
      fromStored: toBeta,
      deprecation: {
        since: '1.16',
        removedIn: '1.22',
        replacement: 'apiextensions.k8s.io/v1 CustomResourceDefinition',
      },
    },
  ],
});

function isBeta(apiVersion: string | undefined): boolean {
  return apiVersion?.endsWith('/v1beta1') ?? false;
}

function storageVersionOf({ spec }: CustomResourceDefinition): string | undefined {
  return (spec?.versions ?? []).find((version) => version.storage)?.name;
}

/** The new ones among formats that are not validated. */
function formatWarnings({ spec }: CustomResourceDefinition, old?: CustomResourceDefinition): string[] {
  const known = new Set(unknownFormatsIn(old?.spec));
  return unknownFormatsIn(spec)
    .filter((format) => !known.has(format))
    .map((format) => `unrecognized format ${JSON.stringify(format)}`);
}
