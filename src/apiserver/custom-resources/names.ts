/** Which of its requested names a CustomResourceDefinition gets, and the conditions that say so. */
import { approvalOf } from '../../api/apiextensions/approval.ts';
import { findCondition, withCondition } from '../../api/conditions.ts';
import type { CustomResourceDefinition } from '../../api/resources.gen.ts';
import type {
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from '../../api/types/apiextensions-v1.gen.ts';

/** Names in use within a group, by everything but the definition in question. */
export interface NamesInUse {
  /** Plurals, singulars and short names share one namespace. */
  resources: ReadonlySet<string>;
  kinds: ReadonlySet<string>;
}

export type Condition = Omit<CustomResourceDefinitionCondition, 'lastTransitionTime' | 'observedGeneration'>;

export interface NamesPlan {
  acceptedNames: CustomResourceDefinitionNames;
  conditions: Condition[];
  isEstablished: boolean;
}

/** Every name is accepted for itself; the definition is established once all have been, and stays so. */
export function planNames(definition: CustomResourceDefinition, inUse: NamesInUse): NamesPlan {
  const asked = definition.spec.names;
  const before = definition.status?.acceptedNames ?? { plural: '', kind: '' };
  const accepted: CustomResourceDefinitionNames = { ...before };
  let conflict: Condition | undefined;
  const refuse = (reason: string, name: string) => {
    // Of several the last is told, as upstream has it.
    conflict = {
      type: 'NamesAccepted',
      status: 'False',
      reason,
      message: `${JSON.stringify(name)} is already in use`,
    };
  };

  if (inUse.resources.has(asked.plural)) refuse('PluralConflict', asked.plural);
  else accepted.plural = asked.plural;
  if (asked.singular && inUse.resources.has(asked.singular)) refuse('SingularConflict', asked.singular);
  else accepted.singular = asked.singular;
  const takenShortName = asked.shortNames?.find((name) => inUse.resources.has(name));
  if (takenShortName) refuse('ShortNamesConflict', takenShortName);
  else accepted.shortNames = asked.shortNames;
  if (inUse.kinds.has(asked.kind)) refuse('KindConflict', asked.kind);
  else accepted.kind = asked.kind;
  if (asked.listKind && inUse.kinds.has(asked.listKind)) refuse('ListKindConflict', asked.listKind);
  else accepted.listKind = asked.listKind;
  accepted.categories = asked.categories;

  const isEstablished = conflict === undefined || hasCondition(definition, 'Established');
  return {
    acceptedNames: withoutUndefined(accepted),
    isEstablished,
    conditions: [conflict ?? noConflicts, isEstablished ? established : notEstablished],
  };
}

const noConflicts: Condition = {
  type: 'NamesAccepted',
  status: 'True',
  reason: 'NoConflicts',
  message: 'no conflicts found',
};
const established: Condition = {
  type: 'Established',
  status: 'True',
  reason: 'InitialNamesAccepted',
  message: 'the initial names have been accepted',
};
const notEstablished: Condition = {
  type: 'Established',
  status: 'False',
  reason: 'NotAccepted',
  message: 'not all names are accepted',
};

export function hasCondition({ status }: CustomResourceDefinition, type: string): boolean {
  return findCondition(status?.conditions, type)?.status === 'True';
}

/** What is said of a definition in one of the community's groups. */
export function approvalConditions(definition: CustomResourceDefinition): Condition[] {
  const approval = approvalOf(definition);
  if (!approval) return [];
  const { isGiven, reason, message } = approval;
  const status = isGiven ? 'True' : 'False';
  return [{ type: 'KubernetesAPIApprovalPolicyConformant', status, reason, message }];
}

/** `conditions` merged into the present ones, which keep their time when the status is the same. */
export function mergeConditions(
  present: readonly CustomResourceDefinitionCondition[],
  conditions: readonly Condition[],
  now: string,
): CustomResourceDefinitionCondition[] {
  return conditions.reduce((merged, condition) => withCondition(merged, condition, now), [...present]);
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}
