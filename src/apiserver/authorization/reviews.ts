/** The access reviews: asking the authorizer about oneself or, with the right to, about others. */
import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../../api/resources.gen.ts';
import { badRequest } from '../../api/status.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { UserInfo } from '../request.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import type { KnownRules } from './configured-authorization.ts';
import { errorText } from './error-text.ts';
import { nodeNameOf } from './node-authorizer.ts';
import type { RbacAuthorizer } from './rbac.ts';
import { compactRules } from './rules.ts';
import { selectedInReview } from './selected.ts';

type AccessSpec = Pick<SubjectAccessReview['spec'], 'resourceAttributes' | 'nonResourceAttributes'>;

interface AccessStatus {
  allowed: boolean;
  denied?: boolean;
  reason?: string;
  evaluationError?: string;
}

export function reviewSelf(
  authorize: Authorizer,
  user: UserInfo,
  review: SelfSubjectAccessReview,
): Promise<AccessStatus> {
  return decide(authorize, user, review.spec);
}

export function reviewSubject(
  authorize: Authorizer,
  { spec }: SubjectAccessReview | LocalSubjectAccessReview,
): Promise<AccessStatus> {
  const user: UserInfo = {
    name: spec.user ?? '',
    groups: spec.groups ?? [],
    ...(spec.uid && { uid: spec.uid }),
    ...(spec.extra && { extra: spec.extra }),
  };
  return decide(authorize, user, spec);
}

/** What a user may do in a namespace, as far as it can be listed in advance. */
export function reviewRules(
  rbac: RbacAuthorizer,
  user: UserInfo,
  review: SelfSubjectRulesReview,
  known: KnownRules,
): NonNullable<SelfSubjectRulesReview['status']> {
  const { namespace } = review.spec;
  if (!namespace) throw badRequest('no namespace on request');
  const mayDoAll = user.groups.includes(mastersGroup) || known.everything;
  const ofRbac = known.rbac ? rbac.rulesFor(user, namespace) : { rules: [], errors: [] };
  const { rules } = ofRbac;
  const errors = [...ofRbac.errors, ...known.incomplete];
  if (known.node && nodeNameOf(user) !== undefined)
    errors.push('node authorizer does not support user rule resolution');
  const everything = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  const compact = compactRules(mayDoAll ? [...everything, ...rules] : rules);
  return {
    resourceRules: compact
      .filter((rule) => rule.resources?.length)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        ...(apiGroups && { apiGroups }),
        ...(resources && { resources }),
        ...(resourceNames?.length && { resourceNames }),
      })),
    nonResourceRules: compact
      .filter((rule) => rule.nonResourceURLs?.length)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs: nonResourceURLs! })),
    incomplete: known.incomplete.length > 0,
    ...(errors.length > 0 && { evaluationError: errorText(errors) }),
  };
}

async function decide(authorize: Authorizer, user: UserInfo, spec: AccessSpec): Promise<AccessStatus> {
  const { selected, unread } = selectedInReview(spec.resourceAttributes ?? {});
  const { allowed, denied, reason, evaluationError } = await authorize({
    ...attributesOf(user, spec),
    selected: () => selected,
  });
  const problems = [...(evaluationError ? [evaluationError] : []), ...unread];
  return {
    allowed,
    ...(denied && { denied }),
    ...(reason && { reason }),
    ...(problems.length > 0 && { evaluationError: problems.join('; ') }),
  };
}

function attributesOf(user: UserInfo, { resourceAttributes, nonResourceAttributes }: AccessSpec): Attributes {
  const resource = resourceAttributes;
  return {
    user,
    isResource: resource !== undefined,
    verb: resource?.verb ?? nonResourceAttributes?.verb ?? '',
    path: nonResourceAttributes?.path ?? '',
    group: resource?.group ?? '',
    // A question that names none is about all of them.
    version: resource ? resource.version || '*' : '',
    resource: resource?.resource ?? '',
    subresource: resource?.subresource ?? '',
    namespace: resource?.namespace ?? '',
    name: resource?.name ?? '',
  };
}
