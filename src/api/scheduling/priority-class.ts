/** PriorityClasses. */
import { ageColumn, column, countColumn, flagColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { PriorityClass } from '../resources.gen.ts';
import { forbiddenField, notSupportedInOrder, required } from '../validation/field-error.ts';
import { immutable } from '../validation/fields.ts';

const preemptionPolicies = ['PreemptLowerPriority', 'Never'];
/** Above this, priorities are the system's own. */
const userPriorityMax = 1000000000;
/** The two classes that every cluster has. */
const systemPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2000000000,
  'system-node-critical': 2000001000,
};

export const priorityClassKind = defineKind(PriorityClass, {
  hasGeneration: true,
  columns: [
    nameColumn,
    countColumn('Value', ({ value }) => value ?? 0),
    flagColumn('Global-Default', ({ globalDefault }) => globalDefault ?? false),
    ageColumn,
    column('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
  defaults(priorityClass) {
    priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  *validate(priorityClass) {
    const name = priorityClass.metadata.name ?? '';
    if (name.startsWith('system-')) {
      const problem = systemProblem(name, priorityClass);
      if (problem)
        yield forbiddenField(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`,
        );
    } else if ((priorityClass.value ?? 0) > userPriorityMax)
      yield forbiddenField('value', `maximum allowed value of a user defined priority is ${userPriorityMax}`);
    const policy = priorityClass.preemptionPolicy ?? '';
    if (!policy) yield required('preemptionPolicy');
    else if (!preemptionPolicies.includes(policy))
      yield notSupportedInOrder('preemptionPolicy', policy, preemptionPolicies);
  },
  *validateUpdate(priorityClass, old) {
    if (priorityClass.value !== old.value) yield forbiddenField('value', 'may not be changed in an update.');
    yield* immutable(priorityClass.preemptionPolicy, old.preemptionPolicy, 'preemptionPolicy');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.14', removedIn: '1.22', replacement: 'scheduling.k8s.io/v1 PriorityClass' },
    },
  ],
});

/** Names of the system's own classes stand for these alone. */
function systemProblem(name: string, { value, globalDefault }: PriorityClass): string | undefined {
  const known = systemPriorities[name];
  if (known === undefined) return `${name} is not a known system priority class`;
  if (value !== known) return `value of ${name} PriorityClass must be ${known}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
