/** What an update of a pod may change: hardly anything of its spec. */

import type { Container, Pod, PodSpec, Toleration } from '../../types/core-v1.gen.ts';
import { semanticEqual } from '../../validation/equality.ts';
import { innerDiff } from '../../validation/error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../../validation/field-error.ts';
import { validateImagePadding } from '../pod-spec/containers.ts';
import { validateGatedPodUpdate } from './gated-update.ts';
import { isMirror } from './mirror.ts';

const mutableFields =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function* validatePodSpecUpdate(pod: Pod, old: Pod): FieldErrors {
  const spec = pod.spec;
  const oldSpec = old.spec;
  for (const list of ['containers', 'initContainers'] as const)
    if ((spec[list]?.length ?? 0) !== (oldSpec[list]?.length ?? 0)) {
      yield forbiddenField(`spec.${list}`, 'pod updates may not add or remove containers');
      return;
    }
  for (const list of ['containers', 'initContainers'] as const)
    for (const [index, container] of (spec[list] ?? []).entries())
      if (!container.image) yield required(`spec.${list}[${index}].image`);
      else yield* validateImagePadding(container.image, `spec.${list}[${index}].image`);
  yield* validateDeadline(spec, oldSpec);
  yield* validateAddedTolerations(spec.tolerations, oldSpec.tolerations);
  yield* validateRemovedGates(spec, oldSpec);
  if (isGated(oldSpec)) yield* validateGatedPodUpdate(spec, oldSpec);

  const allowed = withMutableFieldsOf(spec, oldSpec);
  if (!semanticEqual(allowed, oldSpec))
    yield forbiddenField(
      'spec',
      `pod updates may not change fields other than ${mutableFields}\n${innerDiff('core.PodSpec', oldSpec, allowed)}`,
    );
}

function* validateDeadline(spec: PodSpec, old: PodSpec): FieldErrors {
  const field = 'spec.activeDeadlineSeconds';
  const seconds = spec.activeDeadlineSeconds;
  if (seconds === undefined) {
    if (old.activeDeadlineSeconds !== undefined)
      yield invalidValue(field, null, 'must not update from a positive integer to nil value');
  } else if (old.activeDeadlineSeconds !== undefined && seconds > old.activeDeadlineSeconds)
    yield invalidValue(field, seconds, 'must be less than or equal to previous value');
}

/** Every old toleration must still be there; only its seconds may differ. */
function* validateAddedTolerations(
  tolerations: Toleration[] | undefined,
  old: Toleration[] | undefined,
): FieldErrors {
  const kept = new Set((tolerations ?? []).map(tolerationText));
  for (const before of old ?? []) {
    if (!kept.has(tolerationText(before)))
      yield forbiddenField(
        'spec.tolerations',
        'existing toleration can not be modified except its tolerationSeconds',
      );
  }
}

/** The same for what differs in its seconds alone. */
function tolerationText({ key, operator, value, effect }: Toleration): string {
  return JSON.stringify([key ?? '', operator ?? '', value ?? '', effect ?? '']);
}

function* validateRemovedGates(spec: PodSpec, old: PodSpec): FieldErrors {
  const before = new Set((old.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries())
    if (!before.has(name))
      yield forbiddenField(
        `spec.schedulingGates[${index}].name`,
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      );
}

/** The new spec with everything put back that may change: what then still differs may not. */
function withMutableFieldsOf(spec: PodSpec, old: PodSpec): PodSpec {
  const result: PodSpec = { ...spec };
  const restoreImages = (now: Container[] | null, before: Container[] | null) =>
    (now ?? []).map((container, index) => withImage(container, before![index]!.image));
  result.containers = restoreImages(spec.containers, old.containers);
  if (spec.initContainers)
    result.initContainers = restoreImages(spec.initContainers, old.initContainers ?? []);
  restore(result, old, 'activeDeadlineSeconds');
  restore(result, old, 'tolerations');
  restore(result, old, 'schedulingGates');
  if (isGated(old)) {
    restore(result, old, 'nodeSelector');
    restoreNodeAffinity(result, old);
  }
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1)
    restore(result, old, 'terminationGracePeriodSeconds');
  return result;
}

function isGated({ schedulingGates }: PodSpec): boolean {
  return (schedulingGates?.length ?? 0) > 0;
}

/** Pod affinity may not change, gated or not. */
function restoreNodeAffinity(spec: PodSpec, old: PodSpec): void {
  const { nodeAffinity: _, ...others } = spec.affinity ?? {};
  const before = old.affinity?.nodeAffinity;
  const affinity = { ...(before && { nodeAffinity: before }), ...others };
  if (!old.affinity && Object.keys(affinity).length === 0) delete spec.affinity;
  else spec.affinity = affinity;
}

function withImage(container: Container, image: string | undefined): Container {
  const copy = { ...container };
  if (image === undefined) delete copy.image;
  else copy.image = image;
  return copy;
}

function restore(target: PodSpec, source: PodSpec, name: keyof PodSpec): void {
  if (source[name] === undefined) delete target[name];
  else Object.assign(target, { [name]: source[name] });
}

/** `/ephemeralcontainers` may only add. */
export function* validateEphemeralContainersUpdate(pod: Pod, old: Pod): FieldErrors {
  if (isMirror(old)) {
    yield forbiddenField('', 'static pods do not support ephemeral containers');
    return;
  }
  const added = new Map((pod.spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
  for (const before of old.spec.ephemeralContainers ?? []) {
    const now = added.get(before.name);
    if (!now)
      yield forbiddenField(
        'spec.ephemeralContainers',
        `existing ephemeral containers "${before.name}" may not be removed\n`,
      );
    else if (!semanticEqual(now, before))
      yield forbiddenField(
        'spec.ephemeralContainers',
        `existing ephemeral containers "${before.name}" may not be changed\n${innerDiff('core.EphemeralContainer', before, now)}`,
      );
  }
}
