/** The kubeconfig of a cluster's administrator, made of the cluster's own files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../base/system/if-missing.ts';
import type { ClusterRecord } from '../host/cluster/cluster-record.ts';
import type { ClusterFolder } from '../host/data-folder.ts';
import { Failure } from '../host/failure.ts';
import { readPair } from '../host/keys/cluster-pki.ts';
import { pkiFiles } from '../host/keys/pki-files.ts';
import { contextName, type KubeconfigEntry } from './kubeconfig-file.ts';

export function adminEntry(folder: ClusterFolder, record: ClusterRecord): KubeconfigEntry {
  try {
    return {
      name: contextName(record.name),
      server: `https://127.0.0.1:${record.apiPort}`,
      authority: readFileSync(join(folder.pki, `${pkiFiles.authority}.crt`), 'utf8'),
      ...readPair(folder.pki, pkiFiles.admin),
    };
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new Failure(`cluster ${record.name} has no keys: it has never come up`, {
      advice: `bring it up: wherry up --name ${record.name}`,
    });
  }
}
