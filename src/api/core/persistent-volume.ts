/** PersistentVolumes. */

import { ageColumn, column, nameColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { wholeValueOf } from '../quantities/quantity.ts';
import { PersistentVolume } from '../resources.gen.ts';
import { validateDriverName } from '../storage/csi-driver.ts';
import type {
  PersistentVolumeSpec,
  PersistentVolumeStatus,
  SecretReference,
  VolumeNodeAffinity,
} from '../types/core-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { innerDiff, innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { nonNegativeQuantity, positiveQuantity } from '../validation/resources.ts';
import {
  architectureLabel,
  firstArchitectureLabel,
  firstInstanceTypeLabel,
  firstOsLabel,
  firstRegionLabel,
  firstZoneLabel,
  instanceTypeLabel,
  osLabel,
  regionLabel,
  zoneLabel,
} from '../well-known.ts';
import { accessModes, onePodAlone } from './claim-spec.ts';
import { betaClassAnnotation, shortAccessModes } from './persistent-volume-claim.ts';
import { mountOptionsAnnotation, persistentVolumeWarnings } from './persistent-volume-warnings.ts';
import { validateNodeSelector } from './pod-spec/scheduling.ts';
import { oneTooMany, pathOfSource, persistentSourceNames, validateVolumeSource } from './volume-source.ts';

export const persistentVolumeKind = defineKind(PersistentVolume, {
  returnsDeleted: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('Capacity', (volume) => volume.spec?.capacity?.storage ?? ''),
    column('Access Modes', (volume) => shortAccessModes(volume.spec?.accessModes)),
    column('Reclaim Policy', (volume) => volume.spec?.persistentVolumeReclaimPolicy ?? ''),
    column('Status', (volume) =>
      volume.metadata.deletionTimestamp ? 'Terminating' : (volume.status?.phase ?? ''),
    ),
    column('Claim', ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : '')),
    column(
      'StorageClass',
      (volume) => volume.metadata.annotations?.[betaClassAnnotation] ?? volume.spec?.storageClassName ?? '',
    ),
    column('VolumeAttributesClass', (volume) => volume.spec?.volumeAttributesClassName ?? '<unset>'),
    column('Reason', (volume) => volume.status?.reason ?? ''),
    ageColumn,
    wideColumn('VolumeMode', (volume) => volume.spec?.volumeMode ?? '<unset>'),
  ],
  defaults(volume) {
    volume.status ??= {};
    volume.status.phase ??= 'Pending';
    const spec = volume.spec;
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath) spec.hostPath.type ??= '';
    if (spec.iscsi) spec.iscsi.iscsiInterface ||= 'default';
    if (spec.rbd) {
      spec.rbd.pool ||= 'rbd';
      spec.rbd.user ||= 'admin';
      spec.rbd.keyring ||= '/etc/ceph/keyring';
    }
  },
  prepareCreate(volume) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: volume.metadata.creationTimestamp };
  },
  prepareStatusUpdate(volume, old, now) {
    if (old.spec) volume.spec = old.spec;
    volume.status ??= {};
    noteTransition(volume.status, old.status ?? {}, now);
  },
  *validate(volume, { subresource }) {
    if (subresource === 'status') return;
    yield* validateSpec(volume.spec ?? {}, 'spec');
    yield* validateMountOptions(volume);
  },
  *validateUpdate(volume, old, { subresource }) {
    if (subresource === 'status') return;
    // Upstream validates the volume itself twice.
    yield* validateSpec(volume.spec ?? {}, 'spec');
    const [source, before] = [sourceOf(withoutNewExpandSecret(volume.spec, old.spec)), sourceOf(old.spec)];
    if (!semanticEqual(source, before))
      yield forbiddenField(
        'spec.persistentvolumesource',
        `spec.persistentvolumesource is immutable after creation\n${innerDiff('core.PersistentVolumeSource', before, source)}`,
      );
    yield* immutable(volume.spec?.volumeMode, old.spec?.volumeMode, 'volumeMode');
    yield* validateAffinityUpdate(volume.spec?.nodeAffinity, old.spec?.nodeAffinity);
    if (
      old.spec?.volumeAttributesClassName !== undefined &&
      volume.spec?.volumeAttributesClassName === undefined
    )
      yield forbiddenField('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden');
  },
  warnings: persistentVolumeWarnings,
  selectableFields: (volume) => ({ name: volume.metadata.name }),
});

/** Labels of nodes under their first names, and what they are called since. */
const newerLabels: ReadonlyMap<string, string> = new Map([
  [firstZoneLabel, zoneLabel],
  [firstRegionLabel, regionLabel],
  [firstOsLabel, osLabel],
  [firstArchitectureLabel, architectureLabel],
  [firstInstanceTypeLabel, instanceTypeLabel],
]);

/** Sources that are mounted with options. Of the newer ones, which take theirs from the spec, upstream's list has none. */
const sourcesWithOptions = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
] as const;

function* validateMountOptions({ metadata, spec }: PersistentVolume): FieldErrors {
  if (metadata.annotations?.[mountOptionsAnnotation] === undefined) return;
  if (sourcesWithOptions.some((source) => spec?.[source])) return;
  yield forbiddenField(
    `metadata.annotations.${mountOptionsAnnotation}`,
    'may not specify mount options for this volume type',
  );
}

function* validateAffinityUpdate(
  now: VolumeNodeAffinity | undefined,
  old: VolumeNodeAffinity | undefined,
): FieldErrors {
  if (!old || semanticEqual(now, withNewerLabels(old, now))) return;
  yield invalidValue(
    'nodeAffinity',
    innerForm('core.VolumeNodeAffinity', now),
    'field is immutable, except for updating from beta label to GA',
  );
}

/** `old`, with labels renamed where the update uses their newer names. */
function withNewerLabels(old: VolumeNodeAffinity, now: VolumeNodeAffinity | undefined): VolumeNodeAffinity {
  const terms = old.required?.nodeSelectorTerms?.map((term, at) => {
    const asked = now?.required?.nodeSelectorTerms?.[at]?.matchExpressions;
    return {
      ...term,
      matchExpressions: term.matchExpressions?.map((requirement, index) => {
        const newer = newerLabels.get(requirement.key);
        return newer !== undefined && asked?.[index]?.key === newer
          ? { ...requirement, key: newer }
          : requirement;
      }),
    };
  });
  return { ...old, required: old.required && { nodeSelectorTerms: terms ?? [] } };
}

/** Since when it is in its phase, unless the client says so itself. */
function noteTransition(status: PersistentVolumeStatus, old: PersistentVolumeStatus, now: string): void {
  const { lastPhaseTransitionTime: written } = status;
  const before = old.lastPhaseTransitionTime;
  if (status.phase === old.phase) {
    if (written === undefined && before !== undefined) status.lastPhaseTransitionTime = before;
  } else if (written === undefined || written === before) status.lastPhaseTransitionTime = now;
}

/** A driver's secret for growing may be given to a volume that has none yet. */
function withoutNewExpandSecret(
  spec: PersistentVolumeSpec | undefined,
  old: PersistentVolumeSpec | undefined,
): PersistentVolumeSpec | undefined {
  if (!spec?.csi?.controllerExpandSecretRef || !old?.csi || old.csi.controllerExpandSecretRef) return spec;
  const { controllerExpandSecretRef: _, ...csi } = spec.csi;
  return { ...spec, csi };
}

function sourceOf(spec: PersistentVolumeSpec | undefined): object {
  const source: Record<string, unknown> = {};
  for (const name of persistentSourceNames) {
    const value = spec?.[name as keyof PersistentVolumeSpec];
    if (value !== undefined) source[name] = value;
  }
  return source;
}

function* validateSpec(spec: PersistentVolumeSpec, field: string): FieldErrors {
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) yield required(`${field}.accessModes`);
  for (const mode of modes) yield* oneOf(mode, accessModes, `${field}.accessModes`);
  yield* onePodAlone(modes, `${field}.accessModes`);
  const capacity = Object.keys(spec.capacity ?? {});
  if (capacity.length === 0) yield required(`${field}.capacity`);
  if (capacity.length > 1 || capacity[0] !== 'storage')
    yield notSupported(`${field}.capacity`, innerForm('map quantity', spec.capacity), ['storage']);
  for (const name of capacity) {
    const amount = spec.capacity![name]!;
    const path = `${field}.capacity[${name}]`;
    if (nonNegativeQuantity(amount, path).length > 0)
      yield invalidValue(path, wholeValueOf(amount), 'must be a valid resource quantity');
    yield* positiveQuantity(amount, path);
  }
  yield* oneOf(
    spec.persistentVolumeReclaimPolicy,
    ['Delete', 'Recycle', 'Retain'],
    `${field}.persistentVolumeReclaimPolicy`,
    'optional',
  );
  yield* validateNodeAffinity(spec, field);
  yield* validateSource(spec, field);
  if (spec.hostPath?.path && isRoot(spec.hostPath.path) && spec.persistentVolumeReclaimPolicy === 'Recycle')
    yield forbiddenField(
      `${field}.persistentVolumeReclaimPolicy`,
      "may not be 'recycle' for a hostPath mount of '/'",
    );
  if (spec.storageClassName)
    yield* invalidFor(
      `${field}.storageClassName`,
      spec.storageClassName,
      subdomainProblems(spec.storageClassName),
    );
  yield* oneOf(spec.volumeMode, ['Block', 'Filesystem'], `${field}.volumeMode`);
  yield* validateAttributesClass(spec, field);
}

function* validateAttributesClass(spec: PersistentVolumeSpec, field: string): FieldErrors {
  const name = spec.volumeAttributesClassName;
  if (name === undefined) return;
  const path = `${field}.volumeAttributesClassName`;
  if (name === '') yield required(path, 'an empty string is disallowed');
  else yield* invalidFor(path, name, subdomainProblems(name));
  if (!spec.csi) yield required(`${field}.csi`, 'has to be specified when using volumeAttributesClassName');
}

function isRoot(path: string): boolean {
  return path.split('/').every((part) => part === '' || part === '.');
}

function* validateNodeAffinity(spec: PersistentVolumeSpec, field: string): FieldErrors {
  if (spec.nodeAffinity) {
    if (!spec.nodeAffinity.required)
      yield required(`${field}.nodeAffinity.required`, 'must specify required node constraints');
    else yield* validateNodeSelector(spec.nodeAffinity.required, `${field}.nodeAffinity.required`);
  }
}

function* validateSource(spec: PersistentVolumeSpec, field: string): FieldErrors {
  let count = 0;
  for (const name of persistentSourceNames) {
    const source = spec[name] as Record<string, unknown> | undefined;
    if (!source) continue;
    // Upstream forgets to look whether a flex volume is the second source.
    if (count++ > 0 && name !== 'flexVolume') yield oneTooMany(name, field);
    else yield* validateOneSource(spec, name, source, `${field}.${pathOfSource(name)}`);
  }
  if (count === 0) yield required(field, 'must specify a volume type');
}

function* validateOneSource(
  spec: PersistentVolumeSpec,
  name: string,
  source: Record<string, unknown>,
  path: string,
): FieldErrors {
  yield* validateVolumeSource(name, source, path);
  if (name === 'csi') yield* validateCsi(spec.csi!, path);
  if (name === 'local' && !spec.nodeAffinity)
    yield required(path.replace(/local$/, 'nodeAffinity'), 'Local volume requires node affinity');
}

const csiSecrets = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
] as const;

function* validateCsi(csi: NonNullable<PersistentVolumeSpec['csi']>, field: string): FieldErrors {
  yield* validateDriverName(csi.driver, `${field}.driver`);
  if (!csi.volumeHandle) yield required(`${field}.volumeHandle`);
  for (const secret of csiSecrets) if (csi[secret]) yield* validateSecret(csi[secret], `${field}.${secret}`);
}

function* validateSecret({ name, namespace }: SecretReference, field: string): FieldErrors {
  if (!name) yield required(`${field}.name`);
  else yield* invalidFor(`${field}.name`, name, subdomainProblems(name));
  if (!namespace) yield required(`${field}.namespace`);
  else yield* invalidFor(`${field}.namespace`, namespace, dnsLabelProblems(namespace));
}
