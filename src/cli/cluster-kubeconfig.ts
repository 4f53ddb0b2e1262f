/** The kubeconfig of a cluster's administrator, made of the cluster's own files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterRecord } from '../host/cluster-record.ts';
import type { ClusterFolder } from '../host/data-folder.ts';
import { pkiFiles, readPair } from '../host/keys/cluster-pki.ts';
import { contextName, type KubeconfigEntry } from './kubeconfig-file.ts';

export function adminEntry(folder: ClusterFolder, record: ClusterRecord): KubeconfigEntry {
  return {
    name: contextName(record.name),
    server: `https://127.0.0.1:${record.apiPort}`,
    authority: readFileSync(join(folder.pki, `${pkiFiles.authority}.crt`), 'utf8'),
    ...readPair(folder.pki, pkiFiles.admin),
  };
}
