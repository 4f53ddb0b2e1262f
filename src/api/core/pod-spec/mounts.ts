/** Validation of how containers use the volumes of their pod: mounts and block devices. */

import type { Container, Volume, VolumeMount } from '../../types/core-v1.gen.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notFoundField,
  required,
} from '../../validation/field-error.ts';
import { oneOf } from '../../validation/fields.ts';
import { localDescendingPath } from './paths.ts';

/** The volumes of a pod by name. */
export type PodVolumes = ReadonlyMap<string, Volume>;

type User = Pick<Container, 'volumeMounts' | 'volumeDevices' | 'securityContext'>;

export function* validateVolumeUse(container: User, volumes: PodVolumes, path: string): FieldErrors {
  if (container.volumeMounts) yield* validateMounts(container, volumes, `${path}.volumeMounts`);
  if (container.volumeDevices) yield* validateDevices(container, volumes, `${path}.volumeDevices`);
}

function* validateMounts(container: User, volumes: PodVolumes, field: string): FieldErrors {
  const devices = container.volumeDevices ?? [];
  const deviceNames = new Set(devices.map((device) => device.name));
  const devicePaths = new Set(devices.map((device) => device.devicePath));
  const paths = new Set<string>();
  for (const [index, mount] of container.volumeMounts!.entries()) {
    const path = `${field}[${index}]`;
    if (!mount.name) yield required(`${path}.name`);
    if (!volumes.has(mount.name)) yield notFoundField(`${path}.name`, mount.name ?? '');
    if (!mount.mountPath) yield required(`${path}.mountPath`);
    if (paths.has(mount.mountPath))
      yield invalidValue(`${path}.mountPath`, mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    if (deviceNames.has(mount.name))
      yield invalidValue(`${path}.name`, mount.name, 'must not already exist in volumeDevices');
    if (devicePaths.has(mount.mountPath))
      yield invalidValue(
        `${path}.mountPath`,
        mount.mountPath,
        'must not already exist as a path in volumeDevices',
      );
    // Upstream names these fields without the index of the mount.
    if (mount.subPath) yield* localDescendingPath(mount.subPath, `${field}.subPath`);
    if (mount.subPathExpr) {
      if (mount.subPath)
        yield invalidValue(
          `${path}.subPathExpr`,
          mount.subPathExpr,
          'subPathExpr and subPath are mutually exclusive',
        );
      yield* localDescendingPath(mount.subPathExpr, `${field}.subPathExpr`);
    }
    yield* validatePropagation(mount, container, `${field}.mountPropagation`);
    yield* validateRecursiveReadOnly(mount, `${field}.recursiveReadOnly`);
  }
}

function* validatePropagation(mount: VolumeMount, container: User, field: string): FieldErrors {
  if (mount.mountPropagation === undefined) return;
  yield* oneOf(mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None'], field);
  if (mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged)
    yield forbiddenField(field, 'Bidirectional mount propagation is available only to privileged containers');
}

function* validateRecursiveReadOnly(mount: VolumeMount, field: string): FieldErrors {
  if (mount.recursiveReadOnly === undefined) return;
  yield* oneOf(mount.recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'], field);
  if (!['Enabled', 'IfPossible'].includes(mount.recursiveReadOnly)) return;
  if (!mount.readOnly) yield forbiddenField(field, 'may only be specified when readOnly is true');
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None')
    yield forbiddenField(field, 'may only be specified when mountPropagation is None or not specified');
}

function* validateDevices(container: User, volumes: PodVolumes, field: string): FieldErrors {
  const mounts = container.volumeMounts ?? [];
  const mountNames = new Set(mounts.map((mount) => mount.name));
  const mountPaths = new Set(mounts.map((mount) => mount.mountPath));
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [index, device] of container.volumeDevices!.entries()) {
    const path = `${field}[${index}]`;
    const { name, devicePath } = device;
    if (!name) yield required(`${path}.name`);
    if (names.has(name)) yield invalidValue(`${path}.name`, name, 'must be unique');
    names.add(name);
    const volume = volumes.get(name);
    if (!volume) yield notFoundField(`${path}.name`, name);
    else if (!volume.persistentVolumeClaim && !volume.ephemeral)
      yield invalidValue(
        `${path}.name`,
        name,
        'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      );
    if (!devicePath) yield required(`${path}.devicePath`);
    if (paths.has(devicePath)) yield invalidValue(`${path}.devicePath`, devicePath, 'must be unique');
    paths.add(devicePath);
    if (devicePath?.split('/').includes('..'))
      yield invalidValue(`${path}.devicePath`, devicePath, "can not contain backsteps ('..')");
    if (mountNames.has(name))
      yield invalidValue(`${path}.name`, name, 'must not already exist in volumeMounts');
    if (mountPaths.has(devicePath))
      yield invalidValue(
        `${path}.devicePath`,
        devicePath,
        'must not already exist as a path in volumeMounts',
      );
  }
}
