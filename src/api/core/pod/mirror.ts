/** Pods that stand for static ones, which are changed in their files alone. */
import type { Pod } from '../../resources.gen.ts';
import { mirrorPodAnnotation } from '../../well-known.ts';

export function isMirror({ metadata }: Pick<Pod, 'metadata'>): boolean {
  return metadata.annotations?.[mirrorPodAnnotation] !== undefined;
}
