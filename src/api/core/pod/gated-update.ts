/** Where a pod may run can be narrowed while gates keep it from being scheduled; it cannot be widened. */

import type { NodeSelectorTerm, PodSpec } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';
import { innerForm } from '../../validation/error-value.ts';
import { type FieldErrors, invalidValue } from '../../validation/field-error.ts';

export function* validateGatedPodUpdate(spec: PodSpec, old: PodSpec): FieldErrors {
  yield* onlyMoreLabels(spec.nodeSelector, old.nodeSelector);
  const [terms, before] = [requiredTerms(spec), requiredTerms(old)];
  if (!before) return;
  const field = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  if (before.length > 0 && before.length !== (terms?.length ?? 0)) {
    const why = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    yield invalidValue(field, innerForm('[]core.NodeSelectorTerm', terms), why);
    return;
  }
  for (const [index, term] of before.entries())
    if (!hasOnlyMore(terms![index]!, term))
      yield invalidValue(
        `${field}[${index}]`,
        innerForm('core.NodeSelectorTerm', terms![index]),
        'only additions are allowed (no mutations or deletions)',
      );
}

function* onlyMoreLabels(labels: PodSpec['nodeSelector'], old: PodSpec['nodeSelector']): FieldErrors {
  if (Object.entries(old ?? {}).every(([key, value]) => labels?.[key] === value)) return;
  yield invalidValue(
    'spec.nodeSelector',
    innerForm('map string', labels),
    'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
  );
}

/** Undefined: any may be asked for. */
function requiredTerms({ affinity }: PodSpec): readonly NodeSelectorTerm[] | undefined {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required && (required.nodeSelectorTerms ?? []);
}

/** A term without requirements selects no node, and so does not with more of them. */
function hasOnlyMore(term: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  const isEmpty = (of: NodeSelectorTerm) => lists.every((name) => !of[name]?.length);
  if (isEmpty(old)) return isEmpty(term);
  return lists.every((name) => {
    const before = old[name] ?? [];
    return semanticEqual((term[name] ?? []).slice(0, before.length), before);
  });
}
