/** Prefers nodes that already have the pod's images, less so for images that most nodes have. */
import { type Plugin, scoreMax, skip } from '../framework/plugin.ts';

const mebibyte = 1024 * 1024;
const sizeMin = 23 * mebibyte;
const sizeMaxPerContainer = 1000 * mebibyte;

interface WantedImages {
  containers: number;
  images: { name: string; weightedBytes: number }[];
}

export function imageLocality(): Plugin<unknown, WantedImages> {
  return {
    name: 'ImageLocality',
    preScore({ pod }, _nodes, snapshot) {
      const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
      const images: WantedImages['images'] = [];
      for (const { image } of containers) {
        const name = normalizedImageName(image ?? '');
        const known = snapshot.image(name);
        if (!known) continue;
        const spread = known.nodes / snapshot.nodes.length;
        images.push({ name, weightedBytes: Math.floor(known.sizeBytes * spread) });
      }
      if (images.length === 0) return skip;
      return { kind: 'continue', state: { containers: containers.length, images } };
    },
    score(_, { node }, { containers, images }) {
      let bytes = 0;
      const held = node.status?.images ?? [];
      for (const { name, weightedBytes } of images)
        if (held.some(({ names }) => names?.includes(name))) bytes += weightedBytes;
      const sizeMax = sizeMaxPerContainer * containers;
      const bounded = Math.min(Math.max(bytes, sizeMin), sizeMax);
      return Math.floor((scoreMax * (bounded - sizeMin)) / (sizeMax - sizeMin));
    },
  };
}

/** Nodes list images with a tag; pods may omit `latest`. */
function normalizedImageName(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
