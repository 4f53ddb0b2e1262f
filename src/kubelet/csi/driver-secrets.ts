/** The credentials that a driver is given: secrets that a volume names, and tokens of the pod. */
import { type CSIDriver, type Pod, Secret } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { ObjectSource } from '../object-source.ts';
import type { TokenSource } from '../volumes/projected/token-source.ts';

const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens';

/** Empty without a reference. @throws Error in upstream's words */
export async function secretData(
  objects: Pick<ObjectSource, 'get'>,
  reference: { name?: string; namespace?: string } | undefined,
): Promise<Record<string, string>> {
  if (!reference?.name) return {};
  const { name, namespace = '' } = reference;
  const secret = await objects.get(Secret, { name, namespace });
  if (!secret)
    throw new Error(
      `kubernetes.io/csi: failed to find the secret ${name} in the namespace ${namespace} with error: secrets "${name}" not found`,
    );
  return Object.fromEntries(
    Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

/** The tokens that the driver asks for, in the field where it expects them. */
export async function driverTokens(
  tokens: TokenSource,
  pod: Pod,
  driver: CSIDriver | undefined,
): Promise<{ context: Record<string, string>; secrets: Record<string, string> }> {
  const requests = driver?.spec?.tokenRequests ?? [];
  if (requests.length === 0) return { context: {}, secrets: {} };
  const byAudience: Record<string, { token: string; expirationTimestamp: string }> = {};
  for (const { audience, expirationSeconds } of requests) {
    const source = { path: '', audience, ...(expirationSeconds !== undefined && { expirationSeconds }) };
    const { token, expiresMs } = await tokens.timedTokenFor(pod, source);
    const expirationTimestamp = formatTime(expiresMs);
    byAudience[audience] = { token, expirationTimestamp };
  }
  const given = { [tokensKey]: JSON.stringify(byAudience) };
  return driver?.spec?.serviceAccountTokenInSecrets
    ? { context: {}, secrets: given }
    : { context: given, secrets: {} };
}
