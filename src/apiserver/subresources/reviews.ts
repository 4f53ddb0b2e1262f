/** The review kinds: questions about tokens and rights, answered on the spot and never stored. */
import type { KubeObject } from '../../api/meta.ts';
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  TokenReview,
} from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { badRequest } from '../../api/status.ts';
import { authenticatedGroup } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import { authenticateToken } from '../authentication/authenticator.ts';
import { reviewRules, reviewSelf, reviewSubject } from '../authorization/reviews.ts';
import { convertFromStored } from '../registry/conversion/conversion.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { trackFields } from '../registry/managed-fields.ts';
import type { Registry } from '../registry/registry.ts';
import { readObject, writeRequest } from '../registry/request-options.ts';
import { validateNewReview } from '../registry/validate.ts';
import type { ApiResponse, RequestContext, UserInfo } from '../request.ts';
import type { Security } from '../security.ts';
import { bindingType, serveBinding } from './pods/binding.ts';

type Review = KubeObject & { spec?: unknown; status?: unknown };
type Answer = (review: Review, context: RequestContext) => unknown;

export type ReviewHandler = (
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
) => Promise<ApiResponse>;

/** By Kind. */
export function reviewHandlers(
  security: Security,
  clock: Pick<Clock, 'now'>,
): ReadonlyMap<string, ReviewHandler> {
  const { authorize, rbac, knownRules } = security;
  const answers: Record<string, Answer> = {
    TokenReview: (review) => reviewToken(security, review as TokenReview),
    SelfSubjectReview: (review, { user }) => {
      // The answer is a new object, which says nothing of the question.
      review.metadata = { creationTimestamp: formatTime(clock.now()) } as KubeObject['metadata'];
      return { userInfo: userInfoOf(user) };
    },
    SelfSubjectAccessReview: (review, { user }) =>
      reviewSelf(authorize, user, review as SelfSubjectAccessReview),
    SubjectAccessReview: (review) => reviewSubject(authorize, review as SubjectAccessReview),
    LocalSubjectAccessReview: (review) => reviewSubject(authorize, review as LocalSubjectAccessReview),
    SelfSubjectRulesReview: (review, { user }) => {
      const status = reviewRules(rbac, user, review as SelfSubjectRulesReview, knownRules());
      Object.assign(review, { metadata: {}, spec: {} });
      return status;
    },
  };
  return new Map<string, ReviewHandler>([
    ...Object.entries(answers).map(([kind, answer]) => [kind, handlerOf(answer)] as const),
    [bindingType.kind, serveBinding],
  ]);
}

function handlerOf(answer: Answer): ReviewHandler {
  return async (registry, context, resource) => {
    const review = (await readObject(context, resource)) as Review;
    if (resource.namespaced) takeNamespace(review, context.info.namespace);
    else delete (review.metadata as { namespace?: string }).namespace;
    const request = writeRequest(context, resource);
    await trackFields(registry, request, undefined, review);
    validateNewReview(request, review);
    const status = await answer(review, context);
    // Metadata that the client left out were added behind the rest.
    const { kind, apiVersion, metadata, ...asked } = review;
    const plain = convertFromStored(resource, { kind, apiVersion, metadata, ...asked, status } as Review);
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
  const reasons = new Set<string>();
  const found = await authenticateToken(security.tokenAuthenticators, token, audiences, (reason) =>
    reasons.add(reason),
  );
  const meantFor = found?.audiences ?? ownAudiences(security, audiences);
  if (!found || meantFor?.length === 0) return { user: {}, error: whyRefused([...reasons]) };
  return {
    authenticated: true,
    user: userInfoOf({ ...found.user, groups: [...found.user.groups, authenticatedGroup] }),
    ...(meantFor && { audiences: meantFor }),
  };
}

function whyRefused(reasons: readonly string[]): string {
  return reasons.length > 1 ? `[${reasons.join(', ')}]` : (reasons[0] ?? 'invalid bearer token');
}

/** A token without an audience is meant for this server: determines which of the requested audiences that is. */
function ownAudiences(
  { serviceAccounts }: Security,
  asked: readonly string[] | undefined,
): readonly string[] | undefined {
  const own = serviceAccounts?.defaultAudiences;
  return asked?.length && own ? asked.filter((audience) => own.includes(audience)) : own;
}

function userInfoOf({ name, uid, groups, extra }: UserInfo): Record<string, unknown> {
  return {
    username: name,
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(extra && { extra }),
  };
}
