/** Profiles of seccomp and AppArmor: in fields, and in the annotations that came before these. */

import type { AppArmorProfile, Container, PodSpec, SeccompProfile } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
} from '../../validation/field-error.ts';
import { oneOf } from '../../validation/fields.ts';

/** Containers have theirs with their names at the end. */
export const seccompOfPod = 'seccomp.security.alpha.kubernetes.io/pod';
export const seccompOfContainer = 'container.seccomp.security.alpha.kubernetes.io/';
export const appArmorOfContainer = 'container.apparmor.security.beta.kubernetes.io/';
const localhostPrefix = 'localhost/';

/** The longest path of Linux, without its end. */
const localhostProfileMaxBytes = 4095;
const appArmorDeprecated = 'deprecated since v1.30; use the "appArmorProfile" field instead';

/** A pod, or a template. */
interface Annotated {
  metadata?: { annotations?: Record<string, string> | undefined } | undefined;
  spec?: PodSpec | undefined;
}

export function* containersOf(spec: PodSpec, path: string): Generator<[container: Container, field: string]> {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, container] of (spec[list] ?? []).entries())
      yield [container as Container, `${path}.${list}[${index}]`];
}

export function* validateAppArmorProfile(profile: AppArmorProfile | undefined, field: string): FieldErrors {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  const path = `${field}.localhostProfile`;
  if (!type) yield required(`${field}.type`, 'type is required when appArmorProfile is set');
  else if (type === 'Localhost') {
    if (!localhostProfile) yield required(path, 'must be set when AppArmor type is Localhost');
    else if (localhostProfile !== localhostProfile.trim())
      yield invalidValue(path, localhostProfile, 'must not be padded with whitespace');
    if (localhostProfile && Buffer.byteLength(localhostProfile) > localhostProfileMaxBytes)
      yield tooLong(path, localhostProfileMaxBytes);
  } else if (type !== 'RuntimeDefault' && type !== 'Unconfined')
    yield* oneOf(type, ['Localhost', 'RuntimeDefault', 'Unconfined'], `${field}.type`);
  else if (localhostProfile !== undefined)
    yield invalidValue(path, localhostProfile, 'can only be set when AppArmor type is Localhost');
}

/**
 * Gives containers the profile of their annotation, unless they have one, or the pod has that one for all of them.
 * Returns what the writer of the pod is warned of, which cannot be seen any more once the fields are there.
 */
export function applyAppArmorAnnotations({ metadata, spec }: Annotated): string[] {
  const annotations = metadata?.annotations;
  if (!annotations || !spec || spec.os?.name === 'windows') return [];
  const warnings: string[] = [];
  for (const [container] of containersOf(spec, '')) {
    const key = appArmorOfContainer + container.name;
    const annotation = annotations[key];
    if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
    const profile = validProfile(annotation);
    if (profile && semanticEqual(profile, spec.securityContext?.appArmorProfile)) continue;
    if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    warnings.push(`metadata.annotations[${key}]: ${appArmorDeprecated}`);
  }
  return warnings;
}

/** Of templates, which stay as they are; of pods see {@link applyAppArmorAnnotations}. `prefix`: as in paths. */
export function* appArmorTemplateWarnings({ metadata, spec }: Annotated, prefix: string): Iterable<string> {
  if (!metadata?.annotations || !spec) return;
  const ofPod = spec.securityContext?.appArmorProfile;
  for (const [{ name, securityContext }] of containersOf(spec, '')) {
    const key = appArmorOfContainer + name;
    const annotation = metadata.annotations[key];
    if (annotation === undefined || securityContext?.appArmorProfile) continue;
    if (!ofPod || !semanticEqual(ofPod, appArmorProfileFrom(annotation)))
      yield `${prefix}metadata.annotations[${key}]: ${appArmorDeprecated}`;
  }
}

function validProfile(annotation: string): AppArmorProfile | undefined {
  const profile = appArmorProfileFrom(annotation);
  return validateAppArmorProfile(profile, '')[Symbol.iterator]().next().done ? profile : undefined;
}

/** Undefined: says nothing that a field could. */
function appArmorProfileFrom(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  if (!annotation.startsWith(localhostPrefix) || annotation === localhostPrefix) return undefined;
  return { type: 'Localhost', localhostProfile: annotation.slice(localhostPrefix.length) };
}

/** Where both an annotation and a field are, they agree. */
export function* validateProfilesAgree(pod: Annotated | undefined, field: string): FieldErrors {
  const annotations = pod?.metadata?.annotations;
  const spec = pod?.spec;
  if (!annotations || !spec) return;
  const profileField = (path: string, kind: string) => `${path}.securityContext.${kind}Profile`;
  yield* agrees(annotations[seccompOfPod], spec.securityContext?.seccompProfile, {
    name: 'seccomp',
    field: profileField(field, 'seccomp'),
  });
  for (const [{ name, securityContext }, path] of containersOf(spec, field))
    yield* agrees(annotations[seccompOfContainer + name], securityContext?.seccompProfile, {
      name: 'seccomp',
      field: profileField(path, 'seccomp'),
    });
  if (spec.os?.name === 'windows') return;
  for (const [{ name, securityContext }, path] of containersOf(spec, field)) {
    const profile = securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile;
    yield* agrees(annotations[appArmorOfContainer + name], profile, {
      name: 'apparmor',
      field: profileField(path, 'appArmor'),
    });
  }
}

function* agrees(
  annotation: string | undefined,
  profile: SeccompProfile | AppArmorProfile | undefined,
  { name, field }: { name: 'seccomp' | 'apparmor'; field: string },
): FieldErrors {
  if (annotation === undefined || !profile) return;
  const { type, localhostProfile } = profile;
  if (!annotationIs(annotation, type, name))
    yield forbiddenField(`${field}.type`, `${name} type in annotation and field must match`);
  else if (type === 'Localhost' && annotation.slice(localhostPrefix.length) !== localhostProfile)
    yield forbiddenField(`${field}.localhostProfile`, `${name} profile in annotation and field must match`);
}

function annotationIs(annotation: string, type: string, name: 'seccomp' | 'apparmor'): boolean {
  if (type === 'Unconfined') return annotation === 'unconfined';
  if (type === 'RuntimeDefault')
    return annotation === 'runtime/default' || (name === 'seccomp' && annotation === 'docker/default');
  // Types that are none are refused elsewhere.
  return type !== 'Localhost' || annotation.startsWith(localhostPrefix);
}
