/** Validation of security contexts, of pods and of containers. */

import type {
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../types/core-v1.gen.ts';
import { innerForm } from '../../validation/error-value.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
} from '../../validation/field-error.ts';
import { type Errors, inRange, noErrors, oneOf } from '../../validation/fields.ts';
import { localDescendingPath } from './paths.ts';
import { validateAppArmorProfile } from './profiles.ts';
import { hostNamespaceOfSysctl } from './sysctl.ts';
import { validateWindowsOptions } from './windows.ts';

const idMax = 2147483647;
const sysctlPattern = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
/** Wider than what the message says: a slash may stand for the dot. */
const sysctlRegExp = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

function userOrGroupId(id: number | undefined, field: string): Errors {
  return id === undefined ? noErrors : inRange(id, 0, idMax, field);
}

export function* validatePodSecurityContext(
  spec: PodSpec,
  context: PodSecurityContext | undefined,
  field: string,
): FieldErrors {
  for (const name of ['fsGroup', 'runAsUser', 'runAsGroup'] as const)
    yield* userOrGroupId(context?.[name], `${field}.${name}`);
  for (const [index, group] of (context?.supplementalGroups ?? []).entries())
    yield* userOrGroupId(group, `${field}.supplementalGroups[${index}]`);
  if (spec.hostPID && spec.shareProcessNamespace)
    yield invalidValue(
      `${field}.shareProcessNamespace`,
      true,
      'ShareProcessNamespace and HostPID cannot both be enabled',
    );
  if (!context) return;
  yield* validateSysctls(context.sysctls, spec, `${field}.sysctls`);
  if (context.fsGroupChangePolicy !== undefined)
    yield* oneOf(context.fsGroupChangePolicy, ['OnRootMismatch', 'Always'], `${field}.fsGroupChangePolicy`);
  yield* validateSeccompProfile(context.seccompProfile, `${field}.seccompProfile`);
  yield* validateWindowsOptions(context.windowsOptions, `${field}.windowsOptions`);
  yield* validateAppArmorProfile(context.appArmorProfile, `${field}.appArmorProfile`);
  if (context.supplementalGroupsPolicy !== undefined)
    yield* oneOf(context.supplementalGroupsPolicy, ['Merge', 'Strict'], `${field}.supplementalGroupsPolicy`);
  // Mounting with a label is behind a gate.
  if (context.seLinuxChangePolicy !== undefined)
    yield* oneOf(context.seLinuxChangePolicy, ['Recursive'], `${field}.seLinuxChangePolicy`);
}

function* validateSysctls(sysctls: PodSecurityContext['sysctls'], spec: PodSpec, field: string): FieldErrors {
  const names = new Set<string>();
  for (const [index, { name }] of (sysctls ?? []).entries()) {
    const path = `${field}[${index}].name`;
    if (!name) yield required(path);
    else if (name.length > 253 || !sysctlRegExp.test(name))
      yield invalidValue(path, name, `must have at most 253 characters and match regex ${sysctlPattern}`);
    else if (names.has(name)) yield duplicate(path, name);
    const shared = hostNamespaceOfSysctl(name ?? '', spec);
    if (shared) {
      const field = shared === 'Net' ? 'hostNetwork' : 'hostIPC';
      yield invalidValue(path, name, `may not be specified when '${field}' is true`);
    }
    names.add(name);
  }
}

function* validateSeccompProfile(profile: SeccompProfile | undefined, field: string): FieldErrors {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) yield required(`${field}.type`, 'type is required when seccompProfile is set');
  else yield* oneOf(type, ['Localhost', 'RuntimeDefault', 'Unconfined'], `${field}.type`);
  if (type === 'Localhost') {
    if (localhostProfile === undefined)
      yield required(`${field}.localhostProfile`, 'must be set when seccomp type is Localhost');
    else yield* localDescendingPath(localhostProfile, `${field}.localhostProfile`);
  } else if (localhostProfile !== undefined)
    yield invalidValue(
      `${field}.localhostProfile`,
      innerForm('core.SeccompProfile', profile),
      'can only be set when seccomp type is Localhost',
    );
}

export function* validateContainerSecurity(
  context: SecurityContext | undefined,
  hostUsers: boolean | undefined,
  field: string,
): FieldErrors {
  if (!context) return;
  yield* userOrGroupId(context.runAsUser, `${field}.runAsUser`);
  yield* userOrGroupId(context.runAsGroup, `${field}.runAsGroup`);
  if (context.procMount !== undefined) {
    yield* oneOf(context.procMount, ['Default', 'Unmasked'], `${field}.procMount`);
    if (context.procMount === 'Unmasked' && hostUsers !== false)
      yield invalidValue(
        `${field}.procMount`,
        context.procMount,
        '`hostUsers` must be false to use `Unmasked`',
      );
  }
  yield* validateSeccompProfile(context.seccompProfile, `${field}.seccompProfile`);
  yield* validateEscalation(context, field);
  yield* validateWindowsOptions(context.windowsOptions, `${field}.windowsOptions`);
  yield* validateAppArmorProfile(context.appArmorProfile, `${field}.appArmorProfile`);
}

/** What may not gain rights cannot have them all. */
function* validateEscalation(context: SecurityContext, field: string): FieldErrors {
  if (context.allowPrivilegeEscalation !== false) return;
  const shown = innerForm('core.SecurityContext', context);
  if (context.privileged)
    yield invalidValue(
      field,
      shown,
      'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    );
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
    yield invalidValue(
      field,
      shown,
      'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
    );
}

/** What a pod with a separate user namespace may not share with its host. */
export function* validateUserNamespace(spec: PodSpec, field: string): FieldErrors {
  if (spec.hostUsers !== false) return;
  for (const [name, shown] of [
    ['hostNetwork', 'hostNetwork'],
    ['hostPID', 'HostPID'],
    ['hostIPC', 'HostIPC'],
  ] as const)
    if (spec[name]) yield forbiddenField(`${field}.${shown}`, 'when `hostUsers` is false');
}
