/** What a node adds to the annotations of its pods: where it has them from, and since when. */
import type { Pod } from '../../api/resources.gen.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';

export const configAnnotations = {
  hash: 'kubernetes.io/config.hash',
  mirror: mirrorPodAnnotation,
  source: 'kubernetes.io/config.source',
  seen: 'kubernetes.io/config.seen',
} as const;

/** A pod of the API as its node knows it, which its containers see in their annotations, and monitoring in `/pods`. */
export function asSeen(pod: Pod, seenAtMs: number | undefined): Pod {
  const annotations = {
    ...pod.metadata.annotations,
    ...(seenAtMs !== undefined && { [configAnnotations.seen]: new Date(seenAtMs).toISOString() }),
    [configAnnotations.source]: 'api',
  };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}
