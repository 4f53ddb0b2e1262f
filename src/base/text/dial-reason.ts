/** Why a connection could not be made, in the words of Go's libraries, which users of Kubernetes know. */

export function dialReason(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connect: connection refused';
    case 'EHOSTUNREACH':
      return 'connect: no route to host';
    case 'ENETUNREACH':
      return 'connect: network is unreachable';
    case 'ETIMEDOUT':
      return 'connect: connection timed out';
    default:
      return error.message;
  }
}
