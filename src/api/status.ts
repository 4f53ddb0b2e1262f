/** The one error class that carries a wire `Status`, and the constructors that build Kubernetes' own answers. */
import type { FieldError } from './validation/field-error.ts';

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, unknown>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** The plural resource and group that messages name, e.g. `deployments.apps "web" not found`. */
export interface ResourceName {
  group: string;
  plural: string;
}

export interface StatusErrorOptions extends ErrorOptions {
  details?: StatusDetails | undefined;
}

/** An answer that is not a success. Those that more than one place gives have named constructors below. */
export class StatusError extends Error {
  readonly status: Status;
  constructor(
    code: number,
    reason: string,
    message: string,
    { details, ...options }: StatusErrorOptions = {},
  ) {
    super(message, options);
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason && { reason }),
      ...(details && { details }),
      code,
    };
  }

  get code(): number {
    return this.status.code ?? 500;
  }
  get reason(): string {
    return this.status.reason ?? '';
  }

  /** The error that a server's answer stands for. */
  static from(status: Status): StatusError {
    const error = new StatusError(
      status.code ?? 500,
      status.reason ?? '',
      status.message ?? 'unknown error',
      { details: status.details },
    );
    Object.assign(error.status, status);
    return error;
  }
}

/** The answer says that there is no such object. */
export function isNotFound(error: unknown): error is StatusError {
  return error instanceof StatusError && error.code === 404;
}

/** The answer says that the name is taken. */
export function isAlreadyExists(error: unknown): error is StatusError {
  return error instanceof StatusError && error.reason === 'AlreadyExists';
}

/** The answer says that the object has changed since it was read. */
export function isConflict(error: unknown): error is StatusError {
  return error instanceof StatusError && error.reason === 'Conflict';
}

/** The answer says that the namespace is being deleted: nothing can be created in it any longer. */
export function isNamespaceTerminating(error: unknown): error is StatusError {
  if (!(error instanceof StatusError)) return false;
  return error.status.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') ?? false;
}

/** For `catch`, about objects that need not exist. @throws any other error */
export function undefinedIfNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

/** For `catch`, about objects that another client may have created first. @throws any other error */
export function ignoreAlreadyExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

/** `deployments.apps`, or `pods` for the core group. */
export function qualifiedName(resource: ResourceName): string {
  return resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
}

function detailsOf(resource: ResourceName, name: string): StatusDetails {
  return {
    ...(name && { name }),
    ...(resource.group && { group: resource.group }),
    ...(resource.plural && { kind: resource.plural }),
  };
}

export function notFound(resource: ResourceName, name: string): StatusError {
  const message = `${qualifiedName(resource)} "${name}" not found`;
  return new StatusError(404, 'NotFound', message, { details: detailsOf(resource, name) });
}

export function alreadyExists(resource: ResourceName, name: string): StatusError {
  const message = `${qualifiedName(resource)} "${name}" already exists`;
  return new StatusError(409, 'AlreadyExists', message, { details: detailsOf(resource, name) });
}

export function conflict(resource: ResourceName, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${why}`;
  return new StatusError(409, 'Conflict', message, { details: detailsOf(resource, name) });
}

/** Why an update with an old resourceVersion loses: upstream's words, which clients show. */
export const modifiedMessage =
  'the object has been modified; please apply your changes to the latest version and try again';

/** All of an object's field errors at once. `kind` is the Kind, not the plural. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  // Two rules may find the same error: the message has it once, the causes once for each.
  const texts = [...new Set(errors.map((error) => error.text))];
  const summary = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const qualified = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  const details = {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes: errors.map((error) => ({ reason: error.type, message: error.detail, field: error.field })),
  };
  return new StatusError(422, 'Invalid', `${qualified} "${name}" is invalid: ${summary}`, { details });
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message);
}

export function unauthorized(): StatusError {
  return new StatusError(401, 'Unauthorized', 'Unauthorized');
}

/** `why`: e.g. `User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbidden(
  resource: ResourceName,
  name: string,
  why: string,
  causes?: StatusCause[],
): StatusError {
  const subject = resource.plural
    ? `${qualifiedName(resource)}${name ? ` "${name}"` : ''} is forbidden: `
    : 'forbidden: ';
  const details = { ...detailsOf(resource, name), ...(causes && { causes }) };
  return new StatusError(403, 'Forbidden', `${subject}${why}`, { details });
}

/** A verb that a path does not have. */
export function methodNotAllowed(): StatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new StatusError(405, 'MethodNotAllowed', message, { details: {} });
}

/** As custom resources say it. */
export function methodNotSupported({ group, plural }: ResourceName, verb: string): StatusError {
  const resource = group ? `${plural}.${group}` : plural;
  const message = `${verb} is not supported on resources of kind ${JSON.stringify(resource)}`;
  return new StatusError(405, 'MethodNotAllowed', message, { details: { group, kind: plural } });
}

/** Nothing is served at a path. */
export function unknownPath(): StatusError {
  const message = 'the server could not find the requested resource';
  return new StatusError(404, 'NotFound', message, { details: {} });
}

export function notAcceptable(message: string): StatusError {
  return new StatusError(406, 'NotAcceptable', message);
}

/** The asked-for history is no longer kept. */
export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message);
}

export function tooLarge(message: string): StatusError {
  return new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`);
}

export function unsupportedMediaType(message: string): StatusError {
  return new StatusError(415, 'UnsupportedMediaType', message);
}

/** Without `retryAfterSeconds` the client decides when to try again. */
export function tooManyRequests(message: string, retryAfterSeconds?: number): StatusError {
  const details = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  return new StatusError(429, 'TooManyRequests', message, { details });
}

/** `message` is shown to the client; what went wrong inside belongs in `cause` and the log. */
export function internalError(message: string, options?: ErrorOptions): StatusError {
  const details = { causes: [{ message }] };
  return new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, {
    details,
    ...options,
  });
}

/** The request took longer than it may; whether it was carried out is not known. */
export function requestTimeout(message: string, options?: ErrorOptions): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: ${message}`, { details: {}, ...options });
}

export function serviceUnavailable(message: string, options?: ErrorOptions): StatusError {
  return new StatusError(503, 'ServiceUnavailable', message, options);
}
