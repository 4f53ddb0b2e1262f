/** Volume sources that pods and persistent volumes share: which fields each must have. */
import {
  type FieldError,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { inRange, invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { noBacksteps } from './pod-spec/paths.ts';

/** For a pod's volume, in upstream's order: of two sources, the later one is superfluous. */
export const volumeSourceNames = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const;

/** Of a PersistentVolume. */
export const persistentSourceNames = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const;

/** How upstream names a second source that is not allowed: not always by its field. */
const namesOfTheSecond: Readonly<Record<string, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

export function oneTooMany(type: string, field: string): FieldError {
  return forbiddenField(
    `${field}.${namesOfTheSecond[type] ?? type}`,
    'may not specify more than 1 volume type',
  );
}

/** The field under which upstream reports errors within a source. */
export function pathOfSource(type: string): string {
  return type === 'gcePersistentDisk' ? 'persistentDisk' : type;
}

/** Fields that a source cannot do without. */
const requiredFields: Record<string, readonly string[]> = {
  hostPath: ['path'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  nfs: ['server', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  glusterfs: ['endpoints', 'path'],
  rbd: ['monitors', 'image'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  azureFile: ['secretName', 'shareName'],
  vsphereVolume: ['volumePath'],
  flexVolume: ['driver'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  storageos: ['volumeName'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  local: ['path'],
};

const hostPathTypes = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];

type Source = Record<string, unknown>;

export function* validateVolumeSource(type: string, source: Source, field: string): FieldErrors {
  for (const name of requiredFields[type] ?? []) {
    const value = source[name];
    if (!value || (Array.isArray(value) && value.length === 0)) yield required(`${field}.${name}`);
  }
  const check = furtherChecks[type];
  if (check) yield* check(source, field);
}

const furtherChecks: Record<string, (source: Source, field: string) => FieldErrors> = {
  *hostPath(source, field) {
    yield* noBacksteps(textOf(source.path), `${field}.path`);
    if (source.type) yield* oneOf(textOf(source.type), hostPathTypes, `${field}.type`);
  },
  *nfs(source, field) {
    if (!textOf(source.path).startsWith('/'))
      yield invalidValue(`${field}.path`, textOf(source.path), 'must be an absolute path');
  },
  *quobyte(source, field) {
    const registry = textOf(source.registry);
    const hostPorts = 'must be a host:port pair or multiple pairs separated by commas';
    if (!registry) yield required(`${field}.registry`, hostPorts);
    else if (textOf(source.tenant).length > 64)
      yield required(`${field}.tenant`, 'must be a UUID and may not exceed a length of 64 characters');
    else
      for (const pair of registry.split(','))
        if (!/^([^:[\]]*|\[[^[\]]*\]):[^:[\]]*$/.test(pair))
          yield invalidValue(`${field}.registry`, registry, hostPorts);
    if (!source.volume) yield required(`${field}.volume`);
  },
  *cinder(source, field) {
    if (isPersistent(field)) yield* secretWithNamespace(source.secretRef, `${field}.secretRef`);
  },
  *azureDisk(source, field) {
    const { cachingMode, kind } = source;
    const uri = textOf(source.diskURI);
    for (const [name, value, supported] of [
      ['cachingMode', cachingMode, azureCachingModes],
      ['kind', kind, azureDiskKinds],
    ] as const)
      if (value !== undefined && !supported.includes(textOf(value)))
        yield notSupported(`${field}.${name}`, value, supported);
    if (kind === undefined) return;
    const [start, form] = kind === 'Managed' ? azureManagedUri : azureBlobUri;
    if (!uri.startsWith(start)) yield notSupported(`${field}.diskURI`, uri, [form]);
  },
  *storageos(source, field) {
    for (const name of ['volumeName', 'volumeNamespace']) {
      const value = textOf(source[name]);
      if (value) yield* invalidFor(`${field}.${name}`, value, dnsLabelProblems(value));
    }
    const secret = source.secretRef as { name?: string } | undefined;
    if (isPersistent(field)) yield* secretWithNamespace(secret, `${field}.secretRef`);
    else if (secret && !secret.name) yield required(`${field}.secretRef.name`);
  },
  *local(source, field) {
    if (source.path) yield* noBacksteps(textOf(source.path), `${field}.path`);
  },
  *gcePersistentDisk(source, field) {
    yield* inRange(Number(source.partition ?? 0), 0, 255, `${field}.partition`);
  },
  *awsElasticBlockStore(source, field) {
    yield* inRange(Number(source.partition ?? 0), 0, 255, `${field}.partition`);
  },
  *iscsi(source, field) {
    const iqn = textOf(source.iqn);
    const isOfPod = !isPersistent(field);
    if (iqn) {
      if (isOfPod && !/^(iqn|eui|naa)/.test(iqn))
        yield invalidValue(`${field}.iqn`, iqn, 'must be valid format starting with iqn, eui, or naa');
      else if (!iqnFormat.test(iqn)) yield invalidValue(`${field}.iqn`, iqn, 'must be valid format');
    }
    yield* inRange(Number(source.lun ?? 0), 0, 255, `${field}.lun`);
    const chap = source.chapAuthDiscovery || source.chapAuthSession;
    if (chap && !source.secretRef) yield required(`${field}.secretRef`);
    const secret = source.secretRef as { name?: string } | undefined;
    if (!isOfPod && secret && !secret.name) yield required(`${field}.secretRef.name`);
    const initiator = source.initiatorName;
    if (initiator === undefined || iqnFormat.test(textOf(initiator))) return;
    const beginsWell = /^(iqn|eui|naa)/.test(textOf(initiator));
    yield invalidValue(
      `${field}.initiatorname`,
      initiator,
      isOfPod && !beginsWell ? 'must be valid format starting with iqn, eui, or naa' : 'must be valid format',
    );
  },
  *flocker(source, field) {
    if (!source.datasetName && !source.datasetUUID)
      yield required(field, 'one of datasetName and datasetUUID is required');
    if (source.datasetName && source.datasetUUID)
      yield invalidValue(
        field,
        'resource',
        'datasetName and datasetUUID can not be specified simultaneously',
      );
    if (textOf(source.datasetName).includes('/'))
      yield invalidValue(`${field}.datasetName`, source.datasetName, "must not contain '/'");
  },
  *fc(source, field) {
    const wwns = (source.targetWWNs as unknown[] | undefined)?.length ?? 0;
    const wwids = (source.wwids as unknown[] | undefined)?.length ?? 0;
    if (wwns === 0 && wwids === 0)
      yield required(`${field}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both');
    if (wwns > 0 && wwids > 0)
      yield invalidValue(
        `${field}.targetWWNs`,
        source.targetWWNs,
        'targetWWNs and wwids can not be specified simultaneously',
      );
    if (wwns > 0) {
      if (source.lun === undefined)
        yield required(`${field}.lun`, 'lun is required if targetWWNs is specified');
      else yield* inRange(Number(source.lun), 0, 255, `${field}.lun`);
    }
  },
  *glusterfs(source, field) {
    if (source.endpointsNamespace === '')
      yield invalidValue(
        `${field}.endpointsNamespace`,
        '',
        'if the endpointnamespace is set, it must be a valid namespace name',
      );
  },
};

const azureCachingModes = ['None', 'ReadOnly', 'ReadWrite'];
const azureDiskKinds = ['Dedicated', 'Managed', 'Shared'];
/** How an address begins, and what it is like. */
const azureManagedUri = [
  '/subscriptions/',
  '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}',
] as const;
const azureBlobUri = [
  'https://',
  'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd',
] as const;

/** A PersistentVolume has no namespace of its own to look in. */
function* secretWithNamespace(secret: unknown, field: string): FieldErrors {
  if (!secret) return;
  const { name, namespace } = secret as { name?: string; namespace?: string };
  if (!name) yield required(`${field}.name`);
  if (!namespace) yield required(`${field}.namespace`);
}

/** Upstream has two sets of rules, for volumes of pods and for PersistentVolumes. */
function isPersistent(field: string): boolean {
  return !field.includes('volumes[');
}

const iqnFormat =
  /^(iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:.+)?|eui\.[0-9a-fA-F]{16}|naa\.[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?)$/i;

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
