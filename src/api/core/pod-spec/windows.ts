/** Validation of the Windows fields of pods. No node runs Windows here, but the objects are the same. */

import type { PodSpec, WindowsSecurityContextOptions } from '../../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue } from '../../validation/field-error.ts';
import { invalidFor } from '../../validation/fields.ts';
import { subdomainProblems } from '../../validation/names.ts';

const credentialSpecKiBMax = 64;
const domainLengthMax = 256;
const userLengthMax = 104;
const netBiosName = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const dnsLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const dnsName = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`);

export function* validateWindowsOptions(
  options: WindowsSecurityContextOptions | undefined,
  field: string,
): FieldErrors {
  if (!options) return;
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName: user } = options;
  if (name !== undefined) yield* invalidFor(`${field}.gmsaCredentialSpecName`, name, subdomainProblems(name));
  if (spec === '')
    yield invalidValue(`${field}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec cannot be an empty string');
  else if (spec && Buffer.byteLength(spec) > credentialSpecKiBMax * 1024)
    yield invalidValue(
      `${field}.gmsaCredentialSpec`,
      spec,
      `gmsaCredentialSpec size must be under ${credentialSpecKiBMax} KiB`,
    );
  if (user !== undefined)
    yield* invalidFor(
      `${field}.runAsUserName`,
      user,
      userNameProblems(user).map((problem) => `runAsUserName${problem}`),
    );
}

/** `USER` or `DOMAIN\\USER`. */
function userNameProblems(name: string): string[] {
  if (name === '') return [' cannot be an empty string'];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[\x00-\x1f\x7f]/.test(name)) return [' cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return [' cannot contain more than one backslash'];
  const user = parts.at(-1)!;
  const domain = parts.length === 2 ? parts[0]! : undefined;
  const problems: string[] = [];
  if (domain !== undefined && domain.length >= domainLengthMax)
    problems.push(`'s Domain length must be under ${domainLengthMax} characters`);
  if (domain !== undefined && !netBiosName.test(domain) && !dnsName.test(domain))
    problems.push("'s Domain doesn't match the NetBios nor the DNS format");
  if (user === '') problems.push("'s User cannot be empty");
  else if (user.length > userLengthMax)
    problems.push(`'s User length must not be longer than ${userLengthMax} characters`);
  if (/^[. ]+$/.test(user)) problems.push("'s User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    problems.push('\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
  return problems;
}

/** If one container of a pod is a process of its host, all must be, and the network must be the host's. */
export function* validateHostProcesses(spec: PodSpec, field: string): FieldErrors {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  let [all, hosted] = [0, 0];
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, { securityContext }] of (spec[list] ?? []).entries()) {
      all++;
      const own = securityContext?.windowsOptions?.hostProcess;
      if (ofPod !== undefined && own !== undefined && ofPod !== own)
        yield invalidValue(
          `${field}.${list}[${index}].securityContext.windowsOptions.hostProcess`,
          own,
          `pod hostProcess value must be identical if both are specified, was ${ofPod}`,
        );
      if (own ?? ofPod) hosted++;
    }
  if (hosted === 0) return;
  if (hosted !== all)
    yield invalidValue(
      field,
      '',
      'If pod contains any hostProcess containers then all containers must be HostProcess containers',
    );
  if (!spec.hostNetwork)
    yield invalidValue(
      `${field}.hostNetwork`,
      false,
      'hostNetwork must be true if pod contains any hostProcess containers',
    );
}

/** Of a pod: what its security context has, then what upstream keeps there. */
const linuxOfPods = [
  'securityContext.appArmorProfile',
  'securityContext.seLinuxOptions',
  'hostUsers',
  'hostPID',
  'hostIPC',
  'securityContext.seccompProfile',
  'securityContext.fsGroup',
  'securityContext.fsGroupChangePolicy',
  'securityContext.sysctls',
  'shareProcessNamespace',
  'securityContext.runAsUser',
  'securityContext.runAsGroup',
  'securityContext.supplementalGroups',
  'securityContext.supplementalGroupsPolicy',
  'securityContext.seLinuxChangePolicy',
];

const linuxOfContainers = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
];

/** Of these, no is as good as nothing. */
const flags: ReadonlySet<string> = new Set(['hostPID', 'hostIPC']);

/** A pod that says which system it is for has no settings of the other. */
export function* validateSystem(spec: PodSpec, field: string): FieldErrors {
  const system = spec.os?.name;
  if (system !== 'linux' && system !== 'windows') return;
  const isLinux = system === 'linux';
  const why = isLinux ? 'windows options cannot be set for a linux pod' : 'cannot be set for a windows pod';
  for (const path of isLinux ? ['securityContext.windowsOptions'] : linuxOfPods)
    if (isSet(spec, path)) yield forbiddenField(`${field}.${path}`, why);
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, { securityContext = {} }] of (spec[list] ?? []).entries())
      for (const name of isLinux ? ['windowsOptions'] : linuxOfContainers)
        if (isSet(securityContext, name))
          yield forbiddenField(`${field}.${list}[${index}].securityContext.${name}`, why);
}

function isSet(object: object, path: string): boolean {
  let value: unknown = object;
  for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name];
  return flags.has(path) ? value === true : value !== undefined && value !== null;
}
