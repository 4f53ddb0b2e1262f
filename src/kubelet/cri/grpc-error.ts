/** gRPC's errors as the kubelet knows them. */
import type { ServiceError } from '@grpc/grpc-js';
import { grpcCodes, RuntimeError } from './runtime.ts';

export function asRuntimeError(error: ServiceError): RuntimeError {
  const code = grpcCodes[error.code] ?? 'Unknown';
  return new RuntimeError(code, error.details || error.message, { cause: error });
}
