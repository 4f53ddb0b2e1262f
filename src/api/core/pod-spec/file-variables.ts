/** Validation of environment variables that are read from files of a volume. */

import type { FileKeySelector, PodSpec } from '../../types/core-v1.gen.ts';
import { type FieldErrors, invalidValue, notFoundField, required } from '../../validation/field-error.ts';
import { invalidFor } from '../../validation/fields.ts';
import { dnsLabelProblems, environmentNameProblems } from '../../validation/names.ts';
import { noBacksteps } from './paths.ts';

export function* validateFileKeyRef(reference: FileKeySelector, field: string): FieldErrors {
  const { key, path, volumeName } = reference;
  if (!key) yield required(`${field}.key`);
  else yield* invalidFor(`${field}.key`, key, environmentNameProblems(key));
  if (!volumeName) yield required(`${field}.volumeName`);
  else yield* invalidFor(`${field}.volumeName`, volumeName, dnsLabelProblems(volumeName));
  if (!path) yield required(`${field}.path`);
  else yield* noBacksteps(path, `${field}.path`);
}

/** The file is written by another container of the pod: into a volume that is the pod's alone. */
export function* validateFileVolumes(spec: PodSpec, field: string): FieldErrors {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, { env }] of (spec[list] ?? []).entries())
      for (const [at, { valueFrom }] of (env ?? []).entries()) {
        if (!valueFrom?.fileKeyRef) continue;
        const name = valueFrom.fileKeyRef.volumeName ?? '';
        const path = `${field}.${list}[${index}].env[${at}].valueFrom.fileKeyRef.volumeName`;
        const volume = volumes.get(name);
        if (!volume) yield notFoundField(path, name);
        else if (!volume.emptyDir)
          yield invalidValue(path, name, 'referenced volume must be of type emptyDir');
      }
}
