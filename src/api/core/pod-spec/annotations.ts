/** Annotations of pods, and of their templates, that mean something to Kubernetes. */

import type { PodTemplateSpec } from '../../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue } from '../../validation/field-error.ts';
import { deletionCostAnnotation, mirrorPodAnnotation } from '../../well-known.ts';
import { localDescendingPath } from './paths.ts';
import { appArmorOfContainer, seccompOfContainer, seccompOfPod } from './profiles.ts';

type Annotated = Pick<PodTemplateSpec, 'metadata' | 'spec'>;

/** `old`: what was wrong before may stay so. */
export function* validatePodAnnotations(
  pod: Annotated | undefined,
  field: string,
  old?: Annotated,
): FieldErrors {
  const annotations = pod?.metadata?.annotations ?? {};
  if (annotations[mirrorPodAnnotation] !== undefined && !pod?.spec?.nodeName)
    yield invalidValue(
      `${field}[${mirrorPodAnnotation}]`,
      annotations[mirrorPodAnnotation],
      'must set spec.nodeName if mirror pod annotation is set',
    );
  if (
    !isDeletionCost(annotations[deletionCostAnnotation]) &&
    isDeletionCost(old?.metadata?.annotations?.[deletionCostAnnotation])
  )
    yield invalidValue(
      `${field}[${deletionCostAnnotation}]`,
      annotations[deletionCostAnnotation],
      'must be a 32bit integer',
    );
  for (const key in annotations)
    if (key === seccompOfPod || key.startsWith(seccompOfContainer))
      yield* validateSeccomp(annotations[key]!, `${field}.${key}`);
  for (const key in annotations)
    if (key.startsWith(appArmorOfContainer)) yield* validateAppArmor(pod, key, `${field}[${key}]`);
}

/** What the node reads when it starts a pod cannot change afterwards. */
export function* validatePodAnnotationUpdate(pod: Annotated, old: Annotated, field: string): FieldErrors {
  const [annotations, before] = [pod.metadata?.annotations ?? {}, old.metadata?.annotations ?? {}];
  for (const key in before)
    if (annotations[key] !== before[key]) yield* forbiddenChange(key, field, 'remove or update');
  for (const key in annotations) if (before[key] === undefined) yield* forbiddenChange(key, field, 'add');
}

function* forbiddenChange(key: string, field: string, change: string): FieldErrors {
  const path = `${field}[${key}]`;
  if (key.startsWith(appArmorOfContainer))
    yield forbiddenField(path, `may not ${change} AppArmor annotations`);
  if (key === mirrorPodAnnotation) yield forbiddenField(path, `may not ${change} mirror pod annotation`);
}

function* validateSeccomp(profile: string, field: string): FieldErrors {
  if (profile.startsWith('localhost/')) yield* localDescendingPath(profile.slice('localhost/'.length), field);
  else if (!['runtime/default', 'docker/default', 'unconfined'].includes(profile))
    yield invalidValue(field, profile, 'must be a valid seccomp profile');
}

function* validateAppArmor(pod: Annotated | undefined, key: string, field: string): FieldErrors {
  const profile = pod?.metadata?.annotations?.[key] ?? '';
  const name = key.slice(appArmorOfContainer.length);
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod?.spec ?? {};
  const all = [...initContainers, ...(containers ?? []), ...ephemeralContainers];
  if (!all.some((container) => container.name === name))
    yield invalidValue(field, name, 'container not found');
  if (!['', 'runtime/default', 'unconfined'].includes(profile) && !profile.startsWith('localhost/'))
    yield invalidValue(field, profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`);
}

/** Nothing that an integer of Go would not be printed as, such as `+1` or `01`. */
function isDeletionCost(text: string | undefined): boolean {
  if (text === undefined) return true;
  return /^(0|-?\d+)$/.test(text) && !/^0./.test(text) && Number(text) === (Number(text) | 0);
}
