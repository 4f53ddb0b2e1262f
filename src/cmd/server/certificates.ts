/** Renews the certificates of a server while it runs: those it shows to clients, and those it uses as a client. */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { CertificatePair } from '../../base/x509/pki.ts';
import { rotateCertificate } from '../../host/keys/certificate-rotation.ts';
import { reissueLeaf } from '../../host/keys/cluster-pki.ts';
import { pkiFiles } from '../../host/keys/pki-files.ts';

export interface ServerCertificatesOptions {
  /** Holds the certificates and the keys of the authorities that sign them. */
  pkiFolder: string;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** What is to be shown from now on: to clients, to the nodes' agents, and to aggregated API servers. */
  showToClients(pair: CertificatePair): void;
  showToNodes(pair: CertificatePair): void;
  showToAggregated(pair: CertificatePair): void;
}

/** Runs until the signal aborts. */
export async function renewServerCertificates(
  options: ServerCertificatesOptions,
  signal: AbortSignal,
): Promise<void> {
  const { pkiFolder, clock, random, logger } = options;
  const keepFresh = (name: string, authority: string, show: (pair: CertificatePair) => void) =>
    rotateCertificate(
      {
        file: join(pkiFolder, `${name}.crt`),
        renew: async () => show(await reissueLeaf(pkiFolder, name, { authority, nowMs: clock.now() })),
        clock,
        random,
        logger,
      },
      signal,
    );
  await Promise.all([
    keepFresh(pkiFiles.server, pkiFiles.authority, options.showToClients),
    keepFresh(pkiFiles.kubeletClient, pkiFiles.authority, options.showToNodes),
    keepFresh(pkiFiles.frontProxyClient, pkiFiles.frontProxyAuthority, options.showToAggregated),
  ]);
}
