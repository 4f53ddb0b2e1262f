/** The names of a cluster's keys and certificates in their folder, without the endings .crt, .key and .pub. */
export const pkiFiles = {
  authority: 'ca',
  /** Signs the certificates by which the API server speaks for a user to an aggregated one. */
  frontProxyAuthority: 'front-proxy-ca',
  frontProxyClient: 'front-proxy-client',
  server: 'apiserver',
  kubeletClient: 'apiserver-kubelet-client',
  admin: 'admin',
  tokenKey: 'sa',
} as const;
