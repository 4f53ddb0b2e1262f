/** Request parameters as OpenAPI documents describe them, and which of them each verb takes. */

export const queryParameters = {
  pretty: ['string', "If 'true', then the output is pretty printed."],
  allowWatchBookmarks: [
    'boolean',
    'allowWatchBookmarks requests watch events with type "BOOKMARK". Clients should not assume bookmarks are returned at any specific interval.',
  ],
  continue: [
    'string',
    'The continue option should be set when retrieving more results from the server: the value that the last page carried.',
  ],
  fieldSelector: [
    'string',
    'A selector to restrict the list of returned objects by their fields. Defaults to everything.',
  ],
  labelSelector: [
    'string',
    'A selector to restrict the list of returned objects by their labels. Defaults to everything.',
  ],
  limit: ['integer', 'limit is a maximum number of responses to return for a list call.'],
  resourceVersion: [
    'string',
    'resourceVersion sets a constraint on what resource versions a request may be served from. Defaults to unset',
  ],
  resourceVersionMatch: [
    'string',
    'resourceVersionMatch determines how resourceVersion is applied to list calls. Defaults to unset',
  ],
  sendInitialEvents: [
    'boolean',
    'sendInitialEvents=true may be set together with watch=true: the stream then begins with the objects that are there, and a bookmark marks their end.',
  ],
  timeoutSeconds: [
    'integer',
    'Timeout for the list/watch call. This limits the duration of the call, regardless of any activity or inactivity.',
  ],
  watch: [
    'boolean',
    'Watch for changes to the described resources and return them as a stream of add, update, and remove notifications.',
  ],
  dryRun: [
    'string',
    'When present, indicates that modifications should not be persisted. Valid values are: - All: all dry run stages will be processed',
  ],
  fieldManager: [
    'string',
    'fieldManager is a name associated with the actor or entity that is making these changes. The value must be less than or 128 characters long, and only contain printable characters.',
  ],
  fieldValidation: [
    'string',
    'fieldValidation instructs the server on how to handle objects in the request containing unknown or duplicate fields: Ignore, Warn (the default) or Strict.',
  ],
  force: [
    'boolean',
    'Force is going to "force" Apply requests. It means user will re-acquire conflicting fields owned by other people. Force flag must be unset for non-apply patch requests.',
  ],
  gracePeriodSeconds: [
    'integer',
    'The duration in seconds before the object should be deleted. Value must be non-negative integer. The value zero indicates delete immediately.',
  ],
  orphanDependents: ['boolean', 'Deprecated: use propagationPolicy.'],
  propagationPolicy: [
    'string',
    'Whether and how garbage collection will be performed: Orphan, Background or Foreground.',
  ],
} as const satisfies Record<string, readonly ['string' | 'integer' | 'boolean', string]>;

export type QueryParameterName = keyof typeof queryParameters;

export const pathParameters = {
  namespace: 'object name and auth scope, such as for teams and projects',
  name: 'name of the object',
  path: 'path to the resource',
} as const;

export type PathParameterName = keyof typeof pathParameters;

export const listParameters: QueryParameterName[] = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'pretty',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
export const writeParameters: QueryParameterName[] = ['dryRun', 'fieldManager', 'fieldValidation', 'pretty'];
export const patchParameters: QueryParameterName[] = [
  'dryRun',
  'fieldManager',
  'fieldValidation',
  'force',
  'pretty',
];
export const deleteParameters: QueryParameterName[] = [
  'dryRun',
  'gracePeriodSeconds',
  'orphanDependents',
  'pretty',
  'propagationPolicy',
];
export const deleteCollectionParameters: QueryParameterName[] = [
  ...deleteParameters,
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
];
