/**
 * The devices that a pod claims have to be made ready by their drivers before its containers start. No driver registers
 * with this kubelet: such a pod waits and says so, rather than run without what it asked for.
 */
import { isReservedFor, podClaims } from '../../api/resource/pod-claims.ts';
import { type Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/backoff.ts';
import type { KubeletContext } from '../context.ts';
import { podEvents } from '../pod/pod-events.ts';

const retry = { firstMs: 1_000, maxMs: 122_000 };

export type ClaimContext = Pick<KubeletContext, 'client' | 'recorder' | 'signal'> & {
  machine: Pick<KubeletContext['machine'], 'rootDir'>;
};

export class ClaimedDevices {
  readonly #context: ClaimContext;
  #attempt = 0;

  constructor(context: ClaimContext) {
    this.#context = context;
  }

  /** Undefined: there is nothing to wait for. Else when to try again. */
  async setUp(pod: Pod): Promise<{ retryInMs: number } | undefined> {
    // The devices of a simulated node are as real as its containers.
    if (!pod.spec.resourceClaims?.length || this.#context.machine.rootDir === undefined) return undefined;
    const problem = await this.#problemOf(pod);
    if (!problem) return undefined;
    podEvents(this.#context.recorder, pod).warning(
      'FailedPrepareDynamicResources',
      `Failed to prepare dynamic resources: prepare dynamic resources: ${problem}`,
    );
    return { retryInMs: backoffDelayMs(retry, this.#attempt++) };
  }

  async #problemOf(pod: Pod): Promise<string | undefined> {
    const { client, signal } = this.#context;
    const { namespace = '', name: podName, uid } = pod.metadata;
    for (const { entry, claimName } of podClaims(pod)) {
      if (claimName === undefined) return `claim ${entry} was not made yet`;
      if (claimName === '') continue;
      const claim = await client
        .get(ResourceClaim, { namespace, name: claimName }, signal)
        .catch(undefinedIfNotFound);
      if (!claim)
        return `failed to fetch ResourceClaim ${claimName}: resourceclaims "${claimName}" not found`;
      if (!isReservedFor(claim, pod))
        return `pod ${podName} (${uid}) is not allowed to use ResourceClaim ${claimName} (${claim.metadata.uid})`;
      const [first] = claim.status?.allocation?.devices?.results ?? [];
      if (first) return `DRA driver ${first.driver} is not registered`;
    }
    return undefined;
  }
}
