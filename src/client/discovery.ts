/** A server's resources, custom ones included, in their preferred versions: read from its discovery. */
import type { ResourceType } from '../api/meta.ts';
import type { APIGroupList, APIResourceList } from '../api/types/meta-v1.gen.ts';
import type { Client } from './client.ts';

export interface DiscoveredResource extends ResourceType {
  verbs: readonly string[];
  /** Its objects are those of a resource of another group, also while that group cannot be learned. */
  isView: boolean;
}

/** Lists Deployments, Ingresses and others a second time, as before they had their own groups. */
const viewGroup = 'extensions';

export interface Discovered {
  resources: DiscoveredResource[];
  /** Groups and versions whose resources could not be learned, with the reason. */
  failures: Map<string, Error>;
}

/** Every resource once, in the version that the server prefers for its group; no subresources. */
export async function discoverResources(client: Client, signal?: AbortSignal): Promise<Discovered> {
  const groups = await client.raw<APIGroupList>('GET', '/apis', undefined, signal);
  const versions = [
    { group: '', version: 'v1' },
    ...groups.groups.flatMap((group) => {
      const preferred = group.preferredVersion?.version;
      const ordered = group.versions.map((entry) => entry.version).filter((entry) => entry !== preferred);
      return [...(preferred ? [preferred] : []), ...ordered].map((version) => ({
        group: group.name,
        version,
      }));
    }),
  ];
  const failures = new Map<string, Error>();
  const lists = await Promise.all(
    versions.map(async ({ group, version }) => {
      const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
      try {
        return { group, version, list: await client.raw<APIResourceList>('GET', path, undefined, signal) };
      } catch (error) {
        failures.set(group ? `${group}/${version}` : version, error as Error);
        return { group, version, list: undefined };
      }
    }),
  );
  const found = new Map<string, DiscoveredResource>();
  for (const { group, version, list } of lists) {
    for (const { name, kind, namespaced, verbs } of list?.resources ?? []) {
      const key = `${group}/${name}`;
      if (name.includes('/') || found.has(key)) continue;
      const isView = group === viewGroup;
      found.set(key, { group, version, kind, plural: name, namespaced, verbs, isView });
    }
  }
  return { resources: [...found.values()], failures };
}
