/**
 * What aggregated API servers need in order to trust this one: the CAs of clients and of the front proxy, and its
 * headers.
 */
import { ConfigMap } from '../../api/resources.gen.ts';
import { ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';

/** The only name under which the server authenticates to aggregated ones; no signer issues it to others. */
const frontProxyName = 'front-proxy-client';

/** `clientCa`: PEM of the CA that signs client certificates, the front proxy's among them. */
export async function ensureAuthenticationConfig(registry: Registry, clientCa: string): Promise<void> {
  await ensureObject(registry, ConfigMap, {
    metadata: { namespace: 'kube-system', name: 'extension-apiserver-authentication' },
    data: {
      'client-ca-file': clientCa,
      'requestheader-allowed-names': JSON.stringify([frontProxyName]),
      'requestheader-client-ca-file': clientCa,
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    },
  });
}
