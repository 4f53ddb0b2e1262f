/** Authorization: the question, the decision, and the wording of a refusal. */
import { mastersGroup } from '../../api/well-known.ts';
import type { RequestInfo, UserInfo } from '../request.ts';
import type { Selected } from './selected.ts';

/** What is decided on. */
export interface Attributes extends Omit<RequestInfo, 'rest'> {
  user: UserInfo;
  /** What a list, watch or deletecollection is restricted to; absent where it is not. */
  selected?: () => Selected;
}

/** A question about a resource; what is left out is empty, or in version v1. */
export function resourceQuestion(
  asked: Pick<Attributes, 'user' | 'verb' | 'group' | 'resource'> & Partial<Attributes>,
): Attributes {
  return { isResource: true, path: '', version: 'v1', subresource: '', namespace: '', name: '', ...asked };
}

export interface Decision {
  allowed: boolean;
  /** True when no later authorizer may allow it. */
  denied?: boolean;
  /** Why, for access reviews. */
  reason?: string;
  /** Problems during the decision, e.g. a binding to a missing role. */
  evaluationError?: string;
  /** True when the error is the server's: a request that is not allowed gets it as an answer instead of a refusal. */
  failed?: boolean;
}

/** Synchronous where possible; a promise when another party must be asked. */
export type Authorizer = (attributes: Attributes) => Decision | Promise<Decision>;

/** Decides from memory. */
export type InstantAuthorizer = (attributes: Attributes) => Decision;

/**
 * The first authorizer that allows or denies decides; without any decision the request is refused. Waits only where an
 * authorizer does.
 */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return (attributes) =>
    attributes.user.groups.includes(mastersGroup) ? { allowed: true } : firstOf(authorizers, attributes, []);
}

/** `before`: what those said who had no opinion. */
function firstOf(
  authorizers: readonly Authorizer[],
  attributes: Attributes,
  before: readonly Decision[],
): Decision | Promise<Decision> {
  const opinions = [...before];
  for (const authorize of authorizers.slice(before.length)) {
    const decision = authorize(attributes);
    if (decision instanceof Promise)
      return decision.then((late) =>
        isFinal(late) ? late : firstOf(authorizers, attributes, [...opinions, late]),
      );
    if (isFinal(decision)) return decision;
    opinions.push(decision);
  }
  return noOpinion(opinions);
}

function isFinal({ allowed, denied }: Decision): boolean {
  return allowed || denied === true;
}

function noOpinion(opinions: readonly Decision[]): Decision {
  const reasons = opinions.flatMap(({ reason }) => reason || []);
  const errors = opinions.flatMap(({ evaluationError }) => evaluationError || []);
  return {
    allowed: false,
    ...(reasons.length > 0 && { reason: reasons.join('\n') }),
    ...(errors.length > 0 && { evaluationError: errors.join('\n') }),
    ...(opinions.some(({ failed }) => failed) && { failed: true }),
  };
}

/** Upstream's sentence about a refusal, as it follows `… is forbidden: `. */
export function whyNot(attributes: Attributes, decision: Decision): string {
  const { user, verb, isResource, path, group, resource, subresource, namespace } = attributes;
  const reason = decision.reason ? `: ${decision.reason}` : '';
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!isResource) return `${who} path ${JSON.stringify(path)}${reason}`;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope';
  return `${who} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}${reason}`;
}
