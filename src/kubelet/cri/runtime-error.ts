/** How calls to a container runtime fail: gRPC's status codes, with the wording that users know from events. */
import type { ServiceError } from '@grpc/grpc-js';

/** Names of gRPC's status codes, by number. */
const grpcCodes = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

export type GrpcCode = (typeof grpcCodes)[number];

/** A call that the runtime refused, or that did not reach it. The message reads as users know it from events. */
export class RuntimeError extends Error {
  readonly code: GrpcCode;
  /** The runtime's message. */
  readonly description: string;
  constructor(code: GrpcCode, description: string, options?: ErrorOptions) {
    super(`rpc error: code = ${code} desc = ${description}`, options);
    this.name = 'RuntimeError';
    this.code = code;
    this.description = description;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === 'NotFound';
}

/** The runtime did not say anything. */
export function isUnanswered({ code }: RuntimeError): boolean {
  return code === 'Unavailable' || code === 'DeadlineExceeded';
}

export function asRuntimeError(error: ServiceError): RuntimeError {
  const code = grpcCodes[error.code] ?? 'Unknown';
  return new RuntimeError(code, error.details || error.message, { cause: error });
}
