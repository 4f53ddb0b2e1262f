/** What the server warns the writers of Services of. */
import type { Service } from '../../types/core-v1.gen.ts';
import { addressWarnings, rangeWarnings } from '../../validation/addresses.ts';
import { topologyHintsAnnotation, topologyModeAnnotation } from '../../well-known.ts';

export function* serviceWarnings({ metadata, spec }: Service): Iterable<string> {
  if (metadata.annotations?.[topologyHintsAnnotation] !== undefined)
    yield `annotation ${topologyHintsAnnotation} is deprecated, please use ${topologyModeAnnotation} instead`;
  if (!spec) return;
  const external = spec.externalIPs ?? [];
  if (spec.clusterIP && spec.clusterIP !== 'None')
    for (const [index, address] of (spec.clusterIPs ?? []).entries())
      yield* addressWarnings(address, `spec.clusterIPs[${index}]`);
  const headless = spec.type === 'ClusterIP' && spec.clusterIP === 'None';
  if (headless) {
    if (spec.loadBalancerIP) yield 'spec.loadBalancerIP is ignored for headless services';
    if (external.length > 0) yield 'spec.externalIPs is ignored for headless services';
    if (spec.sessionAffinity !== 'None') yield 'spec.SessionAffinity is ignored for headless services';
  }
  for (const [index, address] of external.entries())
    yield* addressWarnings(address, `spec.externalIPs[${index}]`);
  if (external.length > 0 && !headless && spec.type !== 'ExternalName')
    yield 'spec.externalIPs is deprecated and may no longer be implemented in some clusters';
  if (spec.loadBalancerIP) yield* addressWarnings(spec.loadBalancerIP, 'spec.loadBalancerIP');
  for (const [index, range] of (spec.loadBalancerSourceRanges ?? []).entries())
    yield* rangeWarnings(range, `spec.loadBalancerSourceRanges[${index}]`);
  if (spec.type === 'ExternalName' && external.length > 0)
    yield 'spec.externalIPs is ignored when spec.type is "ExternalName"';
  if (spec.type !== 'ExternalName' && spec.externalName)
    yield 'spec.externalName is ignored when spec.type is not "ExternalName"';
  if (spec.trafficDistribution === 'PreferClose')
    yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"';
}
