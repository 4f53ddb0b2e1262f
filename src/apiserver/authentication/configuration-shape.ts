/** The fields that an AuthenticationConfiguration may have: what it does not know is a mistake, as for upstream. */

/** A list holds the shape of its items. */
type Shape = 'text' | 'flag' | readonly [Shape] | { readonly [field: string]: Shape };

const source: Shape = { claim: 'text', prefix: 'text', expression: 'text' };

const configuration: Shape = {
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

/** What a strict reader says of each; also of a value of another form than its field has. */
export function unknownFields(value: object): string[] {
  return [...problems(configuration, value, '')];
}

function* problems(shape: Shape, value: unknown, path: string): Generator<string> {
  if (value === undefined || value === null) return;
  if (shape === 'text') {
    if (typeof value !== 'string') yield `${path}: a string is wanted`;
  } else if (shape === 'flag') {
    if (typeof value !== 'boolean') yield `${path}: true or false is wanted`;
  } else if (isList(shape)) {
    if (!Array.isArray(value)) yield `${path}: a list is wanted`;
    else
      for (const [index, item] of value.entries())
        if (item === null) yield `${path}[${index}]: null is nothing`;
        else yield* problems(shape[0], item, `${path}[${index}]`);
  } else if (typeof value !== 'object' || Array.isArray(value)) yield `${path}: an object is wanted`;
  else
    for (const [key, child] of Object.entries(value)) {
      const field = path ? `${path}.${key}` : key;
      if (Object.hasOwn(shape, key)) yield* problems(shape[key]!, child, field);
      else yield `unknown field "${field}"`;
    }
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}
