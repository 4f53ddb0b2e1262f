/** The files by which etcd behind TLS is reached, under upstream's names. */
import { resolve } from 'node:path';
import type { EtcdTlsFiles } from '../../host/processes/process-config.ts';
import { UsageError } from '../context.ts';

export const etcdTlsOptions = {
  'etcd-cacert': { type: 'string' },
  'etcd-cert': { type: 'string' },
  'etcd-key': { type: 'string' },
} as const;

type Values = { [Name in keyof typeof etcdTlsOptions]?: string | undefined };

/** Undefined when none was said. @throws UsageError */
export function etcdTlsFiles(values: Values): EtcdTlsFiles | undefined {
  const { 'etcd-cacert': ca, 'etcd-cert': cert, 'etcd-key': key } = values;
  if (!ca && !cert && !key) return undefined;
  if (Boolean(cert) !== Boolean(key)) throw new UsageError('--etcd-cert and --etcd-key go together');
  return {
    ...(ca && { caFile: resolve(ca) }),
    ...(cert && { certFile: resolve(cert) }),
    ...(key && { keyFile: resolve(key) }),
  };
}
