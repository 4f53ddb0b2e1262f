/** May this user do that? The questions, the answers, and the words of a refusal. */
import { mastersGroup } from '../../api/well-known.ts';
import type { RequestInfo, UserInfo } from '../request.ts';

/** What is decided on. */
export interface Attributes extends Omit<RequestInfo, 'rest'> {
  user: UserInfo;
}

export interface Decision {
  allowed: boolean;
  /** True when no other authorizer may allow it any more. */
  denied?: boolean;
  /** Why, for access reviews. */
  reason?: string;
  /** What went wrong while deciding, e.g. a binding to a role that is not there. */
  evaluationError?: string;
}

/** Decides from memory, at once. */
export type Authorizer = (attributes: Attributes) => Decision;

/** The first that allows or denies decides; nobody's opinion is a refusal. */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return (attributes) => {
    if (attributes.user.groups.includes(mastersGroup)) return { allowed: true };
    const reasons: string[] = [];
    const errors: string[] = [];
    for (const authorize of authorizers) {
      const decision = authorize(attributes);
      if (decision.allowed || decision.denied) return decision;
      if (decision.reason) reasons.push(decision.reason);
      if (decision.evaluationError) errors.push(decision.evaluationError);
    }
    return {
      allowed: false,
      ...(reasons.length > 0 && { reason: reasons.join('\n') }),
      ...(errors.length > 0 && { evaluationError: errors.join('\n') }),
    };
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
