/** RuntimeClass: what a pod's runtime costs, and where it can run. */
import { reportedName } from '../../../api/meta.ts';
import { formatQuantity, parseQuantity } from '../../../api/quantities/quantity.ts';
import { Pod, RuntimeClass } from '../../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../../api/status.ts';
import type { Toleration } from '../../../api/types/core-v1.gen.ts';
import { semanticEqual } from '../../../api/validation/equality.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionPlugin, writesOf } from '../admission.ts';

export function runtimeClass(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    operations: ['CREATE'],
    resources: [writesOf(Pod)],
    mutate(attributes) {
      const pod = attributes.object as Pod;
      const found = classOf(pod, objects);
      if (!found || !pod.spec) return;
      setOverhead(pod, found);
      setScheduling(pod, found);
    },
    validate(attributes) {
      const pod = attributes.object as Pod;
      const overhead = classOf(pod, objects)?.overhead;
      if (overhead && !isSame(overhead.podFixed, pod.spec?.overhead)) throw mismatch(pod);
      if (!overhead && pod.spec?.overhead)
        throw refuse(
          pod,
          'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
        );
    },
  };
}

function classOf(pod: Pod, objects: ObjectReader): RuntimeClass | undefined {
  const name = pod.spec?.runtimeClassName;
  if (!name) return undefined;
  const found = objects.get(RuntimeClass, '', name);
  if (found) return found;
  throw refuse(pod, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
}

function setOverhead(pod: Pod, { overhead }: RuntimeClass): void {
  const { spec } = pod;
  if (!spec || !overhead) return;
  const isGiven = Object.keys(spec.overhead ?? {}).length > 0;
  if (isGiven && !isSame(overhead.podFixed, spec.overhead)) throw mismatch(pod);
  if (overhead.podFixed) spec.overhead = { ...overhead.podFixed };
  else delete spec.overhead;
}

type Amounts = Readonly<Record<string, string>>;

function isSame(one: Amounts = {}, other: Amounts = {}): boolean {
  return semanticEqual(canonical(one), canonical(other));
}

/** `100m` and `0.1` are the same. */
function canonical(amounts: Amounts): Amounts {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => [name, formatQuantity(parseQuantity(amount))]),
  );
}

function mismatch(pod: Pod): StatusError {
  return refuse(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
}

function refuse({ metadata }: Pod, why: string): StatusError {
  return forbidden(Pod, reportedName(metadata), why);
}

function setScheduling(pod: Pod, { scheduling }: RuntimeClass): void {
  if (!scheduling) return;
  const spec = pod.spec!;
  const own = spec.nodeSelector ?? {};
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {}))
    if (Object.hasOwn(own, key) && own[key] !== value)
      throw refuse(
        pod,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own[key]}`,
      );
  if (scheduling.nodeSelector) spec.nodeSelector = { ...own, ...scheduling.nodeSelector };
  if (scheduling.tolerations)
    spec.tolerations = mergeTolerations([
      ...(spec.tolerations ?? []),
      ...structuredClone(scheduling.tolerations),
    ]);
}

/** Without those that another one says as well; of equal ones the first stays. */
function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const merged: Toleration[] = [];
  for (const [index, toleration] of all.entries()) {
    const later = all.slice(index + 1).filter((other) => !semanticEqual(other, toleration));
    if (![...merged, ...later].some((other) => includes(other, toleration))) merged.push(toleration);
  }
  return merged;
}

/** Whether `wide` tolerates all that `narrow` does, as upstream has it. */
function includes(wide: Toleration, narrow: Toleration): boolean {
  if (semanticEqual(wide, narrow)) return true;
  const isAnyKey = !wide.key && wide.operator === 'Exists';
  if ((wide.key ?? '') !== (narrow.key ?? '') && !isAnyKey) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  const { tolerationSeconds: seconds = Number.POSITIVE_INFINITY } = wide;
  if (wide.effect === 'NoExecute' && (narrow.tolerationSeconds ?? Number.POSITIVE_INFINITY) > seconds)
    return false;
  if (wide.operator === 'Exists') return true;
  const isEqual = !wide.operator || wide.operator === 'Equal';
  return isEqual && narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
}
