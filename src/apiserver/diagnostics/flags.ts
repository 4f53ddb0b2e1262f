/** The settings of an API server under the names and in the form of upstream's flags; `/flagz` shows them. */
import { requestTimeoutMsDefault } from '../http/deadline.ts';
import { defaultIssuer } from '../security.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { defaultNodePorts, defaultServiceCidr } from '../server-parts.ts';

/** What holds for every server. */
const fixed = {
  'allow-privileged': 'true',
  'default-not-ready-toleration-seconds': '300',
  'default-unreachable-toleration-seconds': '300',
  'enable-admission-plugins': '[NodeRestriction]',
  'enable-bootstrap-token-auth': 'true',
  'enable-priority-and-fairness': 'true',
  'etcd-prefix': '/registry',
  'kubelet-port': '10250',
  'min-request-timeout': '1800',
  'service-account-lookup': 'true',
  'watch-cache': 'true',
};

export function flagsOf(options: ApiServerOptions): Record<string, string> {
  const { security = {}, advertiseAddress, requestSeats, requestTimeoutMs } = options;
  const { serviceCidr = defaultServiceCidr, nodePorts = defaultNodePorts } = options;
  const { issuer = defaultIssuer, authentication, authorization } = security;
  const timeoutSeconds = (requestTimeoutMs ?? requestTimeoutMsDefault) / 1000;
  return {
    ...fixed,
    'api-audiences': `[${issuer}]`,
    'request-timeout': `${timeoutSeconds}s`,
    'service-account-issuer': `[${issuer}]`,
    'service-cluster-ip-range': serviceCidr,
    'service-node-port-range': `${nodePorts.first}-${nodePorts.last}`,
    // A file of the administrator's says it otherwise.
    ...(!authentication && { 'anonymous-auth': 'true' }),
    ...(!authorization && { 'authorization-mode': '[Node,RBAC]' }),
    ...(advertiseAddress && { 'advertise-address': advertiseAddress }),
    ...(requestSeats && { 'max-requests-inflight': String(requestSeats) }),
  };
}
