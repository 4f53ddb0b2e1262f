/**
 * Addresses and address families of a Service. They are validated before anything is allocated, so that their errors
 * are reported alone, and again with all others.
 */
import { isIP, isIPv6 } from 'node:net';
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts';
import { ipAddress } from '../../validation/addresses.ts';
import {
  duplicate,
  type FieldError,
  type FieldErrors,
  invalidValue,
  required,
} from '../../validation/field-error.ts';
import { oneOf } from '../../validation/fields.ts';
import { isHeadless, needsClusterIp } from './update.ts';

const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

export function* validateServiceAddresses(spec: ServiceSpec): FieldErrors {
  if (!needsClusterIp(spec)) return;
  const addresses = spec.clusterIPs ?? [];
  if (spec.clusterIP) {
    if (addresses.length === 0) yield required('spec.clusterIPs');
    else if (addresses[0] !== spec.clusterIP)
      yield invalidValue('spec.clusterIPs', addresses, 'first value must match `clusterIP`');
  } else if (addresses.length > 0)
    yield invalidValue('spec.clusterIPs', addresses, 'must be empty when `clusterIP` is not specified');
  yield* validateFamilies(spec);
  const wrong = [...validateEachAddress(addresses)];
  yield* wrong;
  if (addresses.length > 2) yield invalidValue('spec.clusterIPs', addresses, 'may only hold up to 2 values');
  if (wrong.length > 0) return;
  if (addresses.length > 1 && new Set(addresses.map(isIP)).size < 2)
    yield invalidValue('spec.clusterIPs', addresses, 'may specify no more than one IP for each IP family');
  if (!isHeadless(spec)) yield* validateFamiliesOfAddresses(spec, addresses);
}

function* validateFamilies(spec: ServiceSpec): FieldErrors {
  const seen = new Set<string>();
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    yield* oneOf(family, ['IPv4', 'IPv6'], `spec.ipFamilies[${index}]`);
    if (seen.has(family)) yield duplicate(`spec.ipFamilies[${index}]`, family);
    seen.add(family);
  }
  yield* oneOf(spec.ipFamilyPolicy, policies, 'spec.ipFamilyPolicy', 'undefined');
}

function* validateEachAddress(addresses: string[]): FieldErrors {
  for (const [index, address] of addresses.entries())
    if (index > 0 || address !== 'None') yield* ipAddress(address, `spec.clusterIPs[${index}]`);
    else if (addresses.length > 1)
      yield invalidValue('spec.clusterIPs', addresses, "'None' must be the first and only value");
}

function* validateFamiliesOfAddresses({ ipFamilies }: ServiceSpec, addresses: string[]): FieldErrors {
  for (const [index, address] of addresses.entries()) {
    const family = ipFamilies?.[index];
    const own = isIPv6(address) ? 'IPv6' : 'IPv4';
    if ((family === 'IPv4' || family === 'IPv6') && family !== own)
      yield invalidValue(
        `spec.clusterIPs[${index}]`,
        address,
        `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
      );
  }
}

/** Why nothing can be allocated for the Service: errors in its addresses, or what an IPv4 cluster lacks. */
export function unallocatable({ spec }: Service): FieldError[] {
  if (!spec || !needsClusterIp(spec)) return [];
  const wrong = [...validateServiceAddresses(spec)];
  return wrong.length > 0 ? wrong : [...validateForOneFamily(spec)];
}

function* validateForOneFamily(spec: ServiceSpec): FieldErrors {
  const policy = spec.ipFamilyPolicy ?? null;
  const families = spec.ipFamilies ?? [];
  if (policy === 'SingleStack')
    for (const [list, what] of [
      [spec.clusterIPs ?? [], 'cluster IPs'],
      [families, 'IP families'],
    ] as const)
      if (list.length === 2)
        yield invalidValue(
          'spec.ipFamilyPolicy',
          policy,
          `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
        );
  const headless = spec.clusterIP === 'None';
  for (const [index, address] of (spec.clusterIPs ?? []).entries())
    if (!headless && index >= families.length && isIPv6(address))
      yield invalidValue(
        `spec.clusterIPs[${index}]`,
        spec.clusterIPs,
        'IPv6 is not configured on this cluster',
      );
  // Endpoints of a headless Service without a selector may be written in both families.
  if (headless && Object.keys(spec.selector ?? {}).length === 0) return;
  if (policy === 'RequireDualStack')
    yield invalidValue(
      'spec.ipFamilyPolicy',
      policy,
      'this cluster is not configured for dual-stack services',
    );
  for (const [index, family] of families.entries())
    if (family !== 'IPv4')
      yield invalidValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster');
}

/** Restrictions on updates of existing addresses and families. */
export function* validateServiceAddressesUpdate(spec: ServiceSpec, before: ServiceSpec): FieldErrors {
  if (!needsClusterIp(spec) || !needsClusterIp(before)) return;
  const wasHeadless = isHeadless(before);
  if (!wasHeadless || !isHeadless(spec))
    yield* keptInOrder(spec.clusterIPs ?? [], before.clusterIPs ?? [], 'clusterIPs', 'primary clusterIP');
  if (!wasHeadless && !isHeadless(spec))
    yield* keptInOrder(spec.ipFamilies ?? [], before.ipFamilies ?? [], 'ipFamilies', 'primary ipFamily');
}

function* keptInOrder(now: string[], old: string[], name: string, primary: string): FieldErrors {
  const compared = now.length === old.length ? old.length : Math.min(1, now.length, old.length);
  if (now.length === 0 && old.length > 0)
    yield invalidValue(`spec.${name}[0]`, now, `${primary} can not be unset`);
  for (let index = 0; index < compared; index++)
    if (now[index] !== old[index])
      yield invalidValue(`spec.${name}[${index}]`, now, 'may not change once set');
}
