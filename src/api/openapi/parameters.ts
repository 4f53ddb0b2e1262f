/** Request parameters as OpenAPI documents describe them, and which of them each verb takes. */

export type ParameterType = 'string' | 'integer' | 'boolean';

export interface PathParameter {
  in: 'path';
  name: string;
  description: string;
}

export interface QueryParameter {
  in: 'query';
  name: string;
  description: string;
  type: ParameterType;
}

export interface BodyParameter {
  in: 'body';
  name: 'body';
  /** Name of its definition. */
  definition: string;
  required: boolean;
}

type Documented = Record<string, readonly [ParameterType, description: string]>;

const documented = {
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
  shardSelector: [
    'string',
    'A selector to restrict the list of returned objects to ranges of the hash of a field. An alpha feature, which has to be turned on.',
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
  patchManager: [
    'string',
    'fieldManager is a name associated with the actor or entity that is making these changes. The value must be less than or 128 characters long, and only contain printable characters. Apply requests must give it; for other patches it is optional.',
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
  ignoreStoreReadErrorWithClusterBreakingPotential: [
    'boolean',
    'Removes an object that the storage can no longer decode or decrypt, without heed to its finalizers and preconditions. An alpha feature, which has to be turned on.',
  ],
  orphanDependents: ['boolean', 'Deprecated: use propagationPolicy.'],
  propagationPolicy: [
    'string',
    'Whether and how garbage collection will be performed: Orphan, Background or Foreground.',
  ],
} as const satisfies Documented;

type DocumentedName = keyof typeof documented;

/** Where one name means two things. */
const publicNames: Partial<Record<DocumentedName, string>> = { patchManager: 'fieldManager' };

function query(...names: DocumentedName[]): QueryParameter[] {
  return names.map((name) => {
    const [type, description] = documented[name];
    return { in: 'query', name: publicNames[name] ?? name, description, type };
  });
}

const selecting = [
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'shardSelector',
  'timeoutSeconds',
] as const satisfies DocumentedName[];
const deleting = [
  'dryRun',
  'gracePeriodSeconds',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'orphanDependents',
  'propagationPolicy',
] as const satisfies DocumentedName[];

export const getParameters = query('pretty');
export const listParameters = query('pretty', ...selecting, 'allowWatchBookmarks', 'watch');
export const writeParameters = query('pretty', 'dryRun', 'fieldManager', 'fieldValidation');
export const patchParameters = query('pretty', 'dryRun', 'patchManager', 'fieldValidation', 'force');
export const deleteParameters = query('pretty', ...deleting);
export const deleteCollectionParameters = query('pretty', ...selecting, ...deleting);
/** Upstream takes them for a list's. */
export const customDeleteCollectionParameters = listParameters;

const streams = {
  stdin: ['boolean', 'Whether the container reads what the client sends. Defaults to false.'],
  stdout: ['boolean', 'Whether the client gets what the container writes to its standard output.'],
  stderr: ['boolean', 'Whether the client gets what the container writes to its standard error.'],
  tty: ['boolean', 'Whether the standard streams are those of a terminal. Defaults to false.'],
} as const satisfies Documented;

/** By the kind of a subresource's options. */
const ofOptions: Readonly<Record<string, Documented>> = {
  PodExecOptions: {
    ...streams,
    command: ['string', 'The command and its arguments, one parameter each. No shell interprets them.'],
    container: ['string', 'Where to run the command. May be left out if the pod has only one container.'],
  },
  PodAttachOptions: {
    ...streams,
    container: ['string', 'What to attach to. May be left out if the pod has only one container.'],
  },
  PodPortForwardOptions: { ports: ['integer', 'Ports of the pod; required over WebSockets.'] },
  PodProxyOptions: { path: ['string', 'The path of the request to the pod.'] },
  ServiceProxyOptions: { path: ['string', 'The path of the request to the service, with its query.'] },
  NodeProxyOptions: { path: ['string', 'The path of the request to the node.'] },
  PodLogOptions: {
    container: ['string', 'Whose log to read. May be left out if the pod has only one container.'],
    follow: ['boolean', 'Whether to go on with what is yet to be written. Defaults to false.'],
    insecureSkipTLSVerifyBackend: [
      'boolean',
      "Reads the log even when the node's serving certificate cannot be verified.",
    ],
    limitBytes: ['integer', 'How many bytes to send at most. The last line may be incomplete.'],
    pretty: documented.pretty,
    previous: ['boolean', "Reads the log of the container's previous instance. Defaults to false."],
    sinceSeconds: ['integer', 'How old the first line may be. Not together with sinceTime.'],
    stream: ['string', 'Which stream to read: All (the default), Stdout or Stderr.'],
    tailLines: ['integer', 'How many of the last lines to send. Everything is sent when it is left out.'],
    timestamps: ['boolean', 'Whether a time stands before each line. Defaults to false.'],
  },
};

export function optionParameters(kind: string): QueryParameter[] {
  return Object.entries(ofOptions[kind] ?? {}).map(([name, [type, description]]) => {
    return { in: 'query', name, description, type };
  });
}

const pathDescriptions = {
  namespace: 'object name and auth scope, such as for teams and projects',
  path: 'path to the resource',
};

export function nameParameter(kind: string): PathParameter {
  return { in: 'path', name: 'name', description: `name of the ${kind}` };
}

export function pathParameter(name: keyof typeof pathDescriptions): PathParameter {
  return { in: 'path', name, description: pathDescriptions[name] };
}
