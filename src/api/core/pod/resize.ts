/** What `/resize` may change: cpu and memory of containers of all sorts and of the whole pod, never the class of the pod. */

import type { Container, Pod, ResourceRequirements } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';
import { type FieldErrors, forbiddenField, invalidValue } from '../../validation/field-error.ts';
import { isMirror } from './mirror.ts';
import { computeQosClass } from './qos.ts';
import { isSidecar } from './sidecars.ts';

const lists = ['containers', 'initContainers'] as const;
const amounts = ['requests', 'limits'] as const;

export function* validateResize(pod: Pod, old: Pod): FieldErrors {
  const never = whyNever(old);
  if (never) {
    yield forbiddenField('', never);
    return;
  }
  const qosClass = computeQosClass(old.spec);
  if (qosClass !== computeQosClass(pod.spec))
    yield invalidValue('spec', qosClass, 'Pod QOS Class may not change as a result of resizing');
  const running = old.status?.containerStatuses?.find(({ state }) => state?.running);
  if (running && !running.resources)
    yield forbiddenField('spec', 'Pod running on node without support for resize');
  yield* validatePodLevel(pod.spec.resources, old.spec.resources);
  const misplaced = [...validateOrder(pod, old)];
  yield* misplaced;
  if (misplaced.length > 0) return;
  for (const list of lists)
    for (const [index, container] of (pod.spec[list] ?? []).entries()) {
      const before = old.spec[list]![index]!;
      const field = `spec.${list}[${index}].resources`;
      yield* validateKept(container.resources, before.resources, { field, what: 'resource' });
      if (list === 'containers') yield* validateContainer(container, before);
      else yield* validateInitContainer(container, before, `spec.${list}[${index}]`);
    }
  if (!semanticEqual(otherParts(pod), otherParts(old)))
    yield forbiddenField('spec', 'only cpu and memory resources are mutable');
}

function whyNever(old: Pod): string | undefined {
  if (isMirror(old)) return 'static pods cannot be resized';
  if (old.spec.os?.name === 'windows') return 'windows pods cannot be resized';
  return undefined;
}

function* validateOrder(pod: Pod, old: Pod): FieldErrors {
  for (const list of lists) {
    const [now, before] = [pod.spec[list] ?? [], old.spec[list] ?? []];
    if (now.length !== before.length) {
      yield forbiddenField(`spec.${list}`, `${list} may not be added or removed on resize`);
      continue;
    }
    for (const [index, { name }] of before.entries())
      if (now[index]!.name !== name)
        yield forbiddenField(
          `spec.${list}[${index}].name`,
          `${list} may not be renamed or reordered on resize`,
        );
  }
}

/** A pod that has no resources of its own may be given some. */
function* validatePodLevel(
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
): FieldErrors {
  if (before && !now) {
    yield forbiddenField('spec.resources', 'pod-level resources cannot be removed');
    return;
  }
  yield* validateKept(now, before, { field: 'spec.resources', what: 'pod-level resource' });
  if (!semanticEqual(fixedAmounts(now), fixedAmounts(before)))
    yield forbiddenField('spec', 'only cpu and memory resources are mutable at pod-level');
}

/** What was asked for once can become other, not nothing. */
function* validateKept(
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  { field, what }: { field: string; what: string },
): FieldErrors {
  for (const which of amounts)
    if (Object.keys(before?.[which] ?? {}).some((name) => now?.[which]?.[name] === undefined))
      yield forbiddenField(`${field}.${which}`, `${what} ${which} cannot be removed`);
}

function* validateContainer(container: Container, before: Container): FieldErrors {
  if (!semanticEqual(fixedPart(container), fixedPart(before)))
    yield forbiddenField('spec', 'only cpu and memory resources are mutable');
}

function* validateInitContainer(container: Container, before: Container, field: string): FieldErrors {
  if (!semanticEqual(fixedPart(container), fixedPart(before)))
    yield forbiddenField(field, 'only cpu and memory resources for init or sidecar containers are mutable');
  if (isSidecar(container) || semanticEqual(container, before)) return;
  // It would run again from its beginning.
  if (container.resizePolicy?.some(({ restartPolicy }) => restartPolicy === 'RestartContainer'))
    yield forbiddenField(
      field,
      'non-sidecar init containers with a resize policy of RestartContainer cannot be resized',
    );
}

/** What of a container no resize changes. */
function fixedPart({ resources, ...container }: Container): object {
  return { ...container, ...fixedAmounts(resources) };
}

function fixedAmounts(resources: ResourceRequirements | undefined): object {
  const fixed: Record<string, unknown> = { claims: resources?.claims };
  for (const which of amounts) {
    const { cpu: _, memory: __, ...others } = resources?.[which] ?? {};
    fixed[which] = others;
  }
  return fixed;
}

/** What is not validated separately. */
function otherParts({ spec }: Pod): object {
  const { containers: _, initContainers: __, resources: ___, ...others } = spec;
  return others;
}
