/** PriorityClasses. */
import { ageColumn, column, countColumn, flagColumn, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { forbiddenField } from '../field-error.ts';
import { PriorityClass } from '../resources.gen.ts';
import { immutable, oneOf } from '../validation/fields.ts';

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
      if (systemPriorities[name] !== priorityClass.value || priorityClass.globalDefault)
        yield forbiddenField(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${name} is not a known system priority class`,
        );
    } else if ((priorityClass.value ?? 0) > userPriorityMax)
      yield forbiddenField('value', `maximum allowed value of a user defined priority is ${userPriorityMax}`);
    yield* oneOf(
      priorityClass.preemptionPolicy,
      ['PreemptLowerPriority', 'Never'],
      'preemptionPolicy',
      'required',
    );
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
