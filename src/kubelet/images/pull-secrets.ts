/** The secrets that a pod names for pulling its images. */
import { type Pod, Secret } from '../../api/resources.gen.ts';
import type { ObjectSource } from '../object-source.ts';

export interface PullSecrets {
  secrets: Secret[];
  /** Names of those that could not be read: a pull may succeed without them. */
  missing: string[];
}

export async function pullSecretsOf(objects: Pick<ObjectSource, 'get'>, pod: Pod): Promise<PullSecrets> {
  const { namespace = '' } = pod.metadata;
  const found: PullSecrets = { secrets: [], missing: [] };
  for (const { name } of pod.spec.imagePullSecrets ?? []) {
    if (!name) continue;
    // Why a secret cannot be read makes no difference to the pull, which reports its own outcome.
    const secret = await objects.get(Secret, { namespace, name }).catch(() => undefined);
    if (secret) found.secrets.push(secret);
    else found.missing.push(name);
  }
  return found;
}

/** Upstream's message for the pod. */
export function missingPullSecretsMessage(missing: readonly string[]): string {
  return `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
}
