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

const hourSeconds = 3600;
const daySeconds = 24 * hourSeconds;
const lifeBuckets = [
  60,
  hourSeconds,
  4 * hourSeconds,
  ...[1, 7, 30, 90, 180, 360, 1440].map((days) => days * daySeconds),
];

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
  const lives = registry.histogram(
    'kubelet_certificate_manager_server_rotation_seconds',
    'Histogram of the number of seconds the previous certificate lived before being rotated.',
    lifeBuckets,
  );
  return {
    client: (renewal) => counted(client, renewal),
    async server(renewal) {
      const before = readCertificate(files.server);
      const renewed = await counted(server, renewal);
      if (before) lives.observe((clock.now() - Date.parse(before.validFrom)) / 1000);
      return renewed;
    },
  };
}

async function counted<T>(errors: Counter, renewal: Promise<T>): Promise<T> {
  try {
    return await renewal;
  } catch (error) {
    errors.add(1);
    throw error;
  }
}

/** Whole seconds, as upstream has them; infinite for one that is not there or cannot be read. */
function leftSeconds(file: string, clock: Pick<Clock, 'now'>): number {
  const certificate = readCertificate(file);
  if (!certificate) return Number.POSITIVE_INFINITY;
  return Math.trunc((Date.parse(certificate.validTo) - clock.now()) / 1000);
}

function readCertificate(file: string): X509Certificate | undefined {
  try {
    return new X509Certificate(readFileSync(file));
  } catch {
    // To a client it is the same whether it is not there or damaged.
    return undefined;
  }
}
