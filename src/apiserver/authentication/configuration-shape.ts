/** The fields of an AuthenticationConfiguration. */
import type { Shape } from '../../base/text/configuration-shape.ts';

const source: Shape = { claim: 'text', prefix: 'text', expression: 'text' };

export const authenticationShape: Shape = {
  apiVersion: 'text',
  kind: 'text',
  anonymous: { enabled: 'flag', conditions: [{ path: 'text' }] },
  jwt: [
    {
      issuer: {
        url: 'text',
        discoveryURL: 'text',
        certificateAuthority: 'text',
        audiences: ['text'],
        audienceMatchPolicy: 'text',
        egressSelectorType: 'text',
      },
      claimValidationRules: [{ claim: 'text', requiredValue: 'text', expression: 'text', message: 'text' }],
      claimMappings: {
        username: source,
        groups: source,
        uid: { claim: 'text', expression: 'text' },
        extra: [{ key: 'text', valueExpression: 'text' }],
      },
      userValidationRules: [{ expression: 'text', message: 'text' }],
    },
  ],
};
