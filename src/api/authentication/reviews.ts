/** Reviews of a user's identity. They are answered, never stored. */
import { defineKind } from '../kinds/define-kind.ts';
import { SelfSubjectReview, TokenReview } from '../resources.gen.ts';

const verbs: readonly string[] = ['create'];

export const selfSubjectReviewKind = defineKind(SelfSubjectReview, {
  verbs,
  versions: ['v1beta1', 'v1alpha1'],
});

export const tokenReviewKind = defineKind(TokenReview, {
  verbs,
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'authentication.k8s.io/v1 TokenReview' },
    },
  ],
});
