/** How long a node's certificates remain valid, and failed renewals, under the names of upstream's kubelet. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Counter, MetricsRegistry } from '../../base/metrics.ts';

/** Each a PEM file, that need not be there yet. */
export interface NodeCertificateFiles {
  client: string;
  server: string;
}

export interface RenewalErrors {
  /** The renewal, whose failure is counted. */
  client<T>(renewal: Promise<T>): Promise<T>;
  server<T>(renewal: Promise<T>): Promise<T>;
}

export function certificateMetrics(
  registry: MetricsRegistry,
  files: NodeCertificateFiles,
  clock: Pick<Clock, 'now'>,
): RenewalErrors {
  for (const kind of ['client', 'server'] as const) {
    const served = kind === 'client' ? 'client certificate' : 'serving certificate';
    registry.collected(
      `kubelet_certificate_manager_${kind}_ttl_seconds`,
      `Gauge of the TTL (time-to-live) of the Kubelet's ${served}. The value is in seconds until certificate expiry (negative if already expired). If ${served} is invalid or unused, the value will be +INF.`,
      () => [{ value: leftSeconds(files[kind], clock) }],
    );
  }
  const client = registry.counter(
    'kubelet_certificate_manager_client_expiration_renew_errors',
    'Counter of certificate renewal errors.',
  );
  const server = registry.counter(
    'kubelet_server_expiration_renew_errors',
    'Counter of certificate renewal errors.',
  );
  // Counts that are not there until something fails give no alert when it does.
  client.add(0);
  server.add(0);
  return { client: (renewal) => counted(client, renewal), server: (renewal) => counted(server, renewal) };
}

async function counted<T>(errors: Counter, renewal: Promise<T>): Promise<T> {
  try {
    return await renewal;
  } catch (error) {
    errors.add(1);
    throw error;
  }
}

function leftSeconds(file: string, clock: Pick<Clock, 'now'>): number {
  try {
    return (Date.parse(new X509Certificate(readFileSync(file)).validTo) - clock.now()) / 1000;
  } catch {
    // As upstream has it of one that is not there or cannot be read.
    return Number.POSITIVE_INFINITY;
  }
}
