/** Names for what is configured by files of the server, and cannot be managed through the API. */
import type { KubeObject } from '../meta.ts';

const staticSuffix = '.static.k8s.io';

export function* staticNameWarnings({ name }: KubeObject['metadata']): Iterable<string> {
  if (name.endsWith(staticSuffix))
    yield `metadata.name: names ending with "${staticSuffix}" are reserved for static manifest-based configurations and cannot be managed via the API`;
}
