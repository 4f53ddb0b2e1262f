/** The default topology spread of pods without constraints: over the pods of their Service or controller. */

import { controllerOf, type LabelSelector } from '../../api/meta.ts';
import { ReplicaSet, ReplicationController, Service, StatefulSet } from '../../api/resources.gen.ts';
import { matchesLabels } from '../../api/selectors/label-selector.ts';
import type { TopologySpreadConstraint } from '../../api/types/core-v1.gen.ts';
import { hostnameLabel, zoneLabel } from '../../api/well-known.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import type { PodInfo } from '../framework/pod-info.ts';

export type DefaultConstraints = (pod: PodInfo) => TopologySpreadConstraint[];

/** Upstream's system defaults: some weight for hosts, less for zones, and never a reason to refuse a node. */
const systemDefaults = [
  { maxSkew: 3, topologyKey: hostnameLabel, whenUnsatisfiable: 'ScheduleAnyway' },
  { maxSkew: 5, topologyKey: zoneLabel, whenUnsatisfiable: 'ScheduleAnyway' },
] as const;

export function createDefaultConstraints(informers: InformerFactory): DefaultConstraints {
  const services = informers.of(Service);
  const controllers = informers.of(ReplicationController);
  const replicaSets = informers.of(ReplicaSet);
  const statefulSets = informers.of(StatefulSet);

  function ownerSelector({ pod, namespace }: PodInfo): LabelSelector | undefined {
    const owner = controllerOf(pod);
    if (!owner) return undefined;
    const key = `${namespace}/${owner.name}`;
    switch (owner.kind) {
      case 'ReplicationController':
        return { matchLabels: controllers.get(key)?.spec?.selector ?? {} };
      case 'ReplicaSet':
        return replicaSets.get(key)?.spec?.selector;
      case 'StatefulSet':
        return statefulSets.get(key)?.spec?.selector;
      default:
        return undefined;
    }
  }

  return (info) => {
    const matchLabels: Record<string, string> = {};
    for (const { spec } of services.inNamespace(info.namespace))
      if (
        spec?.selector &&
        Object.keys(spec.selector).length > 0 &&
        matchesLabels(spec.selector, info.pod.metadata.labels)
      )
        Object.assign(matchLabels, spec.selector);
    const owned = ownerSelector(info);
    Object.assign(matchLabels, owned?.matchLabels);
    const { matchExpressions = [] } = owned ?? {};
    if (Object.keys(matchLabels).length + matchExpressions.length === 0) return [];
    const labelSelector = { matchLabels, matchExpressions };
    return systemDefaults.map((constraint) => ({ ...constraint, labelSelector }));
  };
}
