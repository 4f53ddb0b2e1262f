/**
 * Who may write what into the status of a claim: its allocation and its users require permission for
 * `resourceclaims/binding`, what a driver reports about its devices for `resourceclaims/driver` under the driver's
 * name. A driver's account may have the latter permission for its own node only.
 */

import { ResourceClaim } from '../../api/resources.gen.ts';
import { invalid } from '../../api/status.ts';
import type { AllocatedDeviceStatus, AllocationResult } from '../../api/types/resource-v1.gen.ts';
import { semanticEqual } from '../../api/validation/equality.ts';
import { type FieldError, forbiddenField } from '../../api/validation/field-error.ts';
import { nodeNameKey } from '../authentication/impersonation-modes.ts';
import { type Attributes, type Authorizer, whyNot } from '../authorization/authorizer.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from './admission.ts';

type Claimed = ResourceClaim['status'];

const serviceAccountPattern = /^system:serviceaccount:[^:]+:[^:]+$/;

export function claimStatusRights(authorize: Authorizer): AdmissionPlugin {
  return {
    name: 'ClaimStatusRights',
    operations: ['UPDATE'],
    resources: [writesOf(ResourceClaim, 'status')],
    validate: (attributes) => checkStatusRights(authorize, attributes),
  };
}

async function checkStatusRights(authorize: Authorizer, attributes: AdmissionAttributes): Promise<void> {
  const { object, old, name } = attributes;
  const [next, before] = [(object as ResourceClaim).status, (old as ResourceClaim).status];
  const problems = [
    ...(await bindingProblems(authorize, attributes, next, before)),
    ...(await driverProblems(authorize, attributes, next, before)),
  ];
  if (problems.length > 0) throw invalid(ResourceClaim, name, problems);
}

async function bindingProblems(
  authorize: Authorizer,
  { request }: AdmissionAttributes,
  next: Claimed,
  before: Claimed,
): Promise<FieldError[]> {
  const isSame =
    semanticEqual(next?.allocation, before?.allocation) &&
    semanticEqual(next?.reservedFor, before?.reservedFor);
  if (isSame) return [];
  const { verb = 'update' } = request;
  const refusal = await refusalOf(authorize, { ...asked(request, 'binding'), verb });
  if (refusal === undefined) return [];
  const needed = `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="${verb}" permission`;
  return [forbiddenField('status.allocation', `${needed}: ${refusal}`)];
}

async function driverProblems(
  authorize: Authorizer,
  { request }: AdmissionAttributes,
  next: Claimed,
  before: Claimed,
): Promise<FieldError[]> {
  // Without an allocation nothing that drivers tell stays.
  if (!next?.allocation) return [];
  const verbs = verbsFor(request, next.allocation);
  const problems: FieldError[] = [];
  for (const driver of changedDrivers(next.devices, before?.devices)) {
    const refusals: (string | undefined)[] = [];
    for (const verb of verbs) {
      const { namespace } = request;
      refusals.push(
        await refusalOf(authorize, { ...asked(request, 'driver'), verb, namespace, name: driver }),
      );
      if (refusals.at(-1) === undefined) break;
    }
    if (refusals.at(-1) === undefined) continue;
    const needed = `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission`;
    problems.push(forbiddenField('status.devices', `${needed}: ${refusals[0]}`));
  }
  return problems;
}

function asked(request: AdmissionAttributes['request'], subresource: string): Omit<Attributes, 'verb'> {
  return {
    user: request.user,
    isResource: true,
    path: '',
    group: ResourceClaim.group,
    version: '*',
    resource: ResourceClaim.plural,
    subresource,
    namespace: '',
    name: '',
  };
}

/** Undefined: it is allowed. */
async function refusalOf(authorize: Authorizer, attributes: Attributes): Promise<string | undefined> {
  const decision = await authorize(attributes);
  if (decision.allowed) return undefined;
  const { group, resource, name } = attributes;
  const subject = `${resource}.${group}${name ? ` ${JSON.stringify(name)}` : ''}`;
  return `${subject} is forbidden: ${whyNot(attributes, decision)}`;
}

/** Any of them will do. */
function verbsFor(
  { user, verb = 'update' }: AdmissionAttributes['request'],
  allocation: AllocationResult,
): string[] {
  const own = serviceAccountPattern.test(user.name) ? (user.extra?.[nodeNameKey] ?? []) : [];
  const isOwn = own.length === 1 && own[0] === nodeOf(allocation);
  return [...(isOwn ? [`associated-node:${verb}`] : []), `arbitrary-node:${verb}`];
}

/** The single node where the devices are; undefined: there are several, or it is not given by its name. */
function nodeOf({ nodeSelector }: AllocationResult): string | undefined {
  const [term, ...otherTerms] = nodeSelector?.nodeSelectorTerms ?? [];
  const [field, ...otherFields] = term?.matchFields ?? [];
  if (!field || otherTerms.length + otherFields.length + (term?.matchExpressions?.length ?? 0) > 0)
    return undefined;
  const [node, ...others] = field.values ?? [];
  return field.key === 'metadata.name' && field.operator === 'In' && others.length === 0 ? node : undefined;
}

/** Drivers whose reports about any device differ; in order. */
function changedDrivers(
  next: readonly AllocatedDeviceStatus[] = [],
  before: readonly AllocatedDeviceStatus[] = [],
): string[] {
  const isIn = (all: readonly AllocatedDeviceStatus[], one: AllocatedDeviceStatus) =>
    all.some((each) => semanticEqual(each, one));
  const changed = [
    ...next.filter((each) => !isIn(before, each)),
    ...before.filter((each) => !isIn(next, each)),
  ];
  return [...new Set(changed.map(({ driver }) => driver))].sort();
}
