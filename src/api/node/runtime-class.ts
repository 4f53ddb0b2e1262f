/** RuntimeClasses. */

import { validateTolerations } from '../core/pod-spec/scheduling.ts';
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import { RuntimeClass } from '../resources.gen.ts';
import type { Toleration } from '../types/core-v1.gen.ts';
import type { RuntimeClass as Alpha } from '../types/node-v1alpha1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import { duplicate, type FieldErrors } from '../validation/field-error.ts';
import { immutable, invalidFor } from '../validation/fields.ts';
import { validateLabels } from '../validation/label-selector.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { oldNodeLabel } from '../validation/node-labels.ts';
import { validateContainerResourceName, validateResourceAmount } from '../validation/resources.ts';

export const runtimeClassKind = defineKind(RuntimeClass, {
  requiresVersionOnUpdate: true,
  createsOnUpdate: true,
  columns: [nameColumn, column('Handler', ({ handler }) => handler), ageColumn],
  *validate({ handler, overhead, scheduling }) {
    yield* invalidFor('handler', handler ?? '', dnsLabelProblems(handler ?? ''));
    for (const name in overhead?.podFixed) {
      yield* validateContainerResourceName(name, `overhead.limits[${name}]`);
      yield* validateResourceAmount(name, overhead.podFixed[name]!, `overhead.limits[${name}]`);
    }
    yield* validateLabels(scheduling?.nodeSelector, 'scheduling.nodeSelector');
    yield* validateTolerations(scheduling?.tolerations, 'scheduling.tolerations');
    yield* validateDifferent(scheduling?.tolerations ?? [], 'scheduling.tolerations');
  },
  *warnings({ scheduling }) {
    for (const key in scheduling?.nodeSelector) {
      const why = oldNodeLabel(key);
      if (why) yield `scheduling.nodeSelector: ${why}`;
    }
  },
  *validateUpdate(runtimeClass, old) {
    yield* immutable(runtimeClass.handler, old.handler, 'handler');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.22', removedIn: '1.25', replacement: 'node.k8s.io/v1 RuntimeClass' },
    },
    {
      version: 'v1alpha1',
      toStored: fromAlpha,
      fromStored: toAlpha,
      deprecation: { since: '1.22', removedIn: '1.24', replacement: 'node.k8s.io/v1 RuntimeClass' },
    },
  ],
});

/** Version v1alpha1 has everything under `spec`, and another name for the handler. */
function fromAlpha(object: KubeObject): KubeObject {
  const source = object as Partial<Alpha>;
  const target = object as RuntimeClass;
  const { runtimeHandler = '', overhead, scheduling } = source.spec ?? {};
  delete source.spec;
  target.handler = runtimeHandler;
  if (overhead) target.overhead = overhead;
  if (scheduling) target.scheduling = scheduling;
  return target;
}

function toAlpha(object: KubeObject): KubeObject {
  const { handler, overhead, scheduling, ...rest } = object as RuntimeClass;
  const spec = { runtimeHandler: handler, ...(overhead && { overhead }), ...(scheduling && { scheduling }) };
  return { ...rest, spec } as KubeObject;
}

/** No two tolerations of the same key, operator, value and effect. */
function* validateDifferent(tolerations: readonly Toleration[], field: string): FieldErrors {
  const seen = new Set<string>();
  for (const [index, toleration] of tolerations.entries()) {
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    const same = JSON.stringify([key, operator, value, effect]);
    if (seen.has(same)) yield duplicate(`${field}[${index}]`, innerForm('core.Toleration', toleration));
    seen.add(same);
  }
}
