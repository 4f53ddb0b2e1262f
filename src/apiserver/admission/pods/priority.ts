/** Priority: resolves a pod's priority class to its number, and allows at most one default class. */
import { reportedName } from '../../../api/meta.ts';
import { Pod, PriorityClass } from '../../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from '../admission.ts';
import { isPodWrite, isWriteOf } from '../writes.ts';

/** Classes that every cluster has. */
export const systemPriorityClasses = [
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

export function priority(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'Priority',
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    resources: [writesOf(Pod), writesOf(PriorityClass)],
    mutate(attributes) {
      if (isPodWrite(attributes, 'CREATE')) setPriority(objects, attributes.object as Pod);
      else if (isPodWrite(attributes, 'UPDATE')) carryPriority(attributes);
    },
    validate(attributes) {
      const { operation, request } = attributes;
      if (
        operation === 'DELETE' &&
        request.resource.plural === PriorityClass.plural &&
        request.resource.group === PriorityClass.group &&
        systemPriorityClasses.some(({ name }) => name === request.name)
      )
        throw forbidden(PriorityClass, request.name, 'this is a system priority class and cannot be deleted');
      if (isWriteOf(attributes, PriorityClass, 'CREATE', 'UPDATE')) checkDefault(objects, attributes);
    },
  };
}

function setPriority(objects: ObjectReader, pod: Pod): void {
  const { spec } = pod;
  if (!spec) return;
  const priorityClass = classOf(objects, pod);
  const { value = 0, preemptionPolicy = 'PreemptLowerPriority' } = priorityClass ?? {};
  if (spec.priority !== undefined && spec.priority !== value)
    throw refuse(
      pod,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy)
    throw refuse(
      pod,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  if (priorityClass) spec.priorityClassName = priorityClass.metadata.name;
  spec.priority = value;
  spec.preemptionPolicy = preemptionPolicy;
}

/** The class that the pod names, or the default one; undefined: it names none, and there is none. */
function classOf(objects: ObjectReader, pod: Pod): PriorityClass | undefined {
  const name = pod.spec?.priorityClassName;
  if (!name) return defaultClass(objects);
  const found = objects.get(PriorityClass, '', name);
  if (!found) throw refuse(pod, `no PriorityClass with name ${name} was found`);
  return found;
}

function refuse(pod: Pod, why: string): StatusError {
  return forbidden(Pod, reportedName(pod.metadata), why);
}

/** Clients that do not know the fields leave them out of a PUT. */
function carryPriority({ object, old }: AdmissionAttributes): void {
  const { spec } = object as Pod;
  const before = (old as Pod).spec;
  if (!spec || !before) return;
  if (spec.priority === undefined && before.priority !== undefined) spec.priority = before.priority;
  if (spec.preemptionPolicy === undefined && before.preemptionPolicy !== undefined)
    spec.preemptionPolicy = before.preemptionPolicy;
}

/** If there are several, which only a race can cause, the one with the lowest value. */
function defaultClass(objects: ObjectReader): PriorityClass | undefined {
  let found: PriorityClass | undefined;
  for (const candidate of objects.list(PriorityClass))
    if (candidate.globalDefault && (!found || (candidate.value ?? 0) < (found.value ?? 0))) found = candidate;
  return found;
}

function checkDefault(objects: ObjectReader, { object, request }: AdmissionAttributes): void {
  const candidate = object as PriorityClass;
  if (!candidate.globalDefault) return;
  const present = defaultClass(objects);
  const { name } = candidate.metadata;
  if (present && present.metadata.name !== name)
    throw forbidden(
      request.resource,
      name,
      `PriorityClass ${present.metadata.name} is already marked as default. Only one default can exist`,
    );
}
