/** The review kinds: questions about tokens and rights, answered on the spot and never stored. */
import type { KubeObject } from '../../api/meta.ts';
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
} from '../../api/resources.gen.ts';
import { badRequest } from '../../api/status.ts';
import { authenticatedGroup } from '../../api/well-known.ts';
import { authenticateToken } from '../authentication/authenticator.ts';
import { reviewRules, reviewSelf, reviewSubject } from '../authorization/reviews.ts';
import { convertFromStored } from '../registry/conversion.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { Registry } from '../registry/registry.ts';
import { readObject, writeRequest } from '../registry/request-options.ts';
import { validateNewReview } from '../registry/validate.ts';
import type { ApiResponse, RequestContext, UserInfo } from '../request.ts';
import type { Security } from '../security.ts';

type Review = KubeObject & { spec?: unknown; status?: unknown };
type Answer = (review: Review, context: RequestContext) => unknown;

export type ReviewHandler = (
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
) => Promise<ApiResponse>;

/** By Kind. */
export function reviewHandlers(security: Security): ReadonlyMap<string, ReviewHandler> {
  const { authorize, rbac, knownRules } = security;
  const answers: Record<string, Answer> = {
    TokenReview: (review) => reviewToken(security, review as TokenReview),
    SelfSubjectReview: (_review, { user }) => ({ userInfo: userInfoOf(user) }),
    SelfSubjectAccessReview: (review, { user }) =>
      reviewSelf(authorize, user, review as SelfSubjectAccessReview),
    SubjectAccessReview: (review) => reviewSubject(authorize, review as SubjectAccessReview),
    LocalSubjectAccessReview: (review) => reviewSubject(authorize, review as LocalSubjectAccessReview),
    SelfSubjectRulesReview: (review, { user }) =>
      reviewRules(rbac, user, review as SelfSubjectRulesReview, knownRules()),
  };
  return new Map(Object.entries(answers).map(([kind, answer]) => [kind, handlerOf(answer)]));
}

function handlerOf(answer: Answer): ReviewHandler {
  return async (_registry, context, resource) => {
    const review = (await readObject(context, resource)) as Review;
    if (resource.namespaced) takeNamespace(review, context.info.namespace);
    validateNewReview(writeRequest(context, resource), review);
    review.status = await answer(review, context);
    const plain = convertFromStored(resource, review);
    return { type: 'object', status: 201, resource, object: { plain } };
  };
}

/** @throws StatusError 400 when it names another one */
function takeNamespace({ metadata }: Review, namespace: string): void {
  if ((metadata.namespace || namespace) !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  metadata.namespace = namespace;
}

async function reviewToken(security: Security, review: TokenReview): Promise<unknown> {
  const { token, audiences } = review.spec;
  if (!token) throw badRequest('token is required for TokenReview in authentication');
  const found = await authenticateToken(security.tokenAuthenticators, token, audiences);
  if (!found) return { user: {}, error: 'invalid bearer token' };
  return {
    authenticated: true,
    user: userInfoOf({ ...found.user, groups: [...found.user.groups, authenticatedGroup] }),
    ...(found.audiences && { audiences: found.audiences }),
  };
}

function userInfoOf({ name, uid, groups, extra }: UserInfo): Record<string, unknown> {
  return {
    username: name,
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(extra && { extra }),
  };
}
