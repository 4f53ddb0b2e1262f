/**
 * Keys of labels in affinities and spread constraints: a new pod gets the values of its own labels into the selectors,
 * where they stay whatever its labels are later.
 */
import type { Pod } from '../../resources.gen.ts';
import type { PodAffinityTerm, PodSpec } from '../../types/core-v1.gen.ts';

type WithKeys = Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>;

export function applyLabelKeys({ metadata, spec }: Pod): void {
  const labels = metadata.labels ?? {};
  for (const owner of ownersOfKeys(spec)) {
    // Without a selector nothing is matched, which keys do not change.
    if (!owner.labelSelector) continue;
    const requirements = [
      ...requirementsOf(owner.matchLabelKeys, 'In', labels),
      ...requirementsOf(owner.mismatchLabelKeys, 'NotIn', labels),
    ];
    if (requirements.length === 0) continue;
    const { matchExpressions = [] } = owner.labelSelector;
    owner.labelSelector = {
      ...owner.labelSelector,
      matchExpressions: [...matchExpressions, ...requirements],
    };
  }
}

function* ownersOfKeys({ affinity, topologySpreadConstraints }: PodSpec): Iterable<WithKeys> {
  for (const terms of [affinity?.podAffinity, affinity?.podAntiAffinity]) {
    for (const { podAffinityTerm } of terms?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
      if (podAffinityTerm) yield podAffinityTerm;
    yield* terms?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  }
  yield* topologySpreadConstraints ?? [];
}

/** Of the keys that the pod has; for the others the selector says nothing. */
function requirementsOf(keys: readonly string[] = [], operator: string, labels: Record<string, string>) {
  return keys
    .filter((key) => Object.hasOwn(labels, key))
    .map((key) => ({ key, operator, values: [labels[key]!] }));
}
