/** The certificates that a node presents: to servers, as its client, and to clients of its kubelet. */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import type { CertificatePair } from '../../base/x509/pki.ts';
import type { Client } from '../../client/client.ts';
import { certificateMetrics } from '../../host/keys/certificate-metrics.ts';
import { renewUntilDone, rotateCertificate } from '../../host/keys/certificate-rotation.ts';
import { readPair } from '../../host/keys/cluster-pki.ts';
import { isGood, requestCertificate } from '../../host/node/join.ts';

export interface NodeCertificatesOptions {
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  pkiFolder: string;
  nodeName: string;
  nodeAddress: string;
}

/** File names of the certificates. */
const clientPair = 'kubelet-client';
const serverPair = 'kubelet-server';

export class NodeCertificates {
  readonly #options: NodeCertificatesOptions;
  readonly #files: { client: string; server: string };
  readonly #renewals: ReturnType<typeof certificateMetrics>;

  constructor(options: NodeCertificatesOptions) {
    const { metrics, pkiFolder, clock } = options;
    this.#options = options;
    const fileOf = (pair: string) => join(pkiFolder, `${pair}.crt`);
    this.#files = { client: fileOf(clientPair), server: fileOf(serverPair) };
    this.#renewals = certificateMetrics(metrics, this.#files, clock);
  }

  /** The present certificate: read for every use, so that a renewed one takes effect. */
  client(): CertificatePair {
    return readPair(this.#options.pkiFolder, clientPair);
  }

  server(): CertificatePair {
    return readPair(this.#options.pkiFolder, serverPair);
  }

  /** Machines that joined have none at first; it is asked for when the node's addresses are known. */
  async ensureServer(client: Client, addressesKnown: Promise<void>, signal: AbortSignal): Promise<void> {
    if (isGood(this.#options.pkiFolder, serverPair)) return;
    await addressesKnown;
    const renew = () => this.#renewServer(client);
    await renewUntilDone({ ...this.#options, file: this.#files.server, renew }, signal);
    signal.throwIfAborted();
  }

  /** Runs until the signal aborts. */
  async rotate(
    client: Client,
    { clientRenewed, serverRenewed }: { clientRenewed(): void; serverRenewed(): void },
    signal: AbortSignal,
  ): Promise<void> {
    const rotate = (file: string, renew: () => Promise<void>) =>
      rotateCertificate({ ...this.#options, file, renew }, signal);
    await Promise.all([
      rotate(this.#files.client, async () => {
        await this.#renewClient(client);
        clientRenewed();
      }),
      rotate(this.#files.server, async () => {
        await this.#renewServer(client);
        serverRenewed();
      }),
    ]);
  }

  #renewClient(client: Client): Promise<void> {
    const { pkiFolder, nodeName } = this.#options;
    const request = requestCertificate(client, {
      folder: pkiFolder,
      name: clientPair,
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usage: 'client auth',
      nodeName,
    });
    return this.#renewals.client(request);
  }

  #renewServer(client: Client): Promise<void> {
    const { pkiFolder, nodeName, nodeAddress } = this.#options;
    const request = requestCertificate(client, {
      folder: pkiFolder,
      name: serverPair,
      signerName: 'kubernetes.io/kubelet-serving',
      usage: 'server auth',
      nodeName,
      ipAddresses: [nodeAddress],
    });
    return this.#renewals.server(request);
  }
}
