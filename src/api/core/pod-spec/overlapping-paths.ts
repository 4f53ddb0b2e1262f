/** Files of a volume that are in each other's way: at one path, or one at a path that leads through another. */
import type { KeyToPath, Volume, VolumeProjection } from '../../types/core-v1.gen.ts';

interface SourcedPath {
  path: string;
  /** What puts it there, if that is not said elsewhere. */
  source: string;
}

export function* overlapWarnings(volumes: readonly Volume[]): Iterable<string> {
  for (const { name, configMap, secret, downwardAPI, projected } of volumes) {
    const within = (what: string, paths: readonly SourcedPath[]) =>
      overlapsIn(paths).map((overlap) => `volume "${name}" (${what}): overlapping paths: ${overlap}`);
    if (configMap?.items) yield* within(`ConfigMap "${configMap.name ?? ''}"`, pathsOf(configMap.items, ''));
    if (secret?.items) yield* within(`Secret "${secret.secretName ?? ''}"`, pathsOf(secret.items, ''));
    if (downwardAPI?.items) yield* within('DownwardAPI', pathsOf(downwardAPI.items, ''));
    const sources = projected?.sources ?? [];
    for (const source of sources)
      if (Object.keys(source).length === 0) yield `volume "${name}" (Projected) has no sources provided`;
    yield* within('Projected', sources.flatMap(projectedPaths));
  }
}

function pathsOf(items: readonly Pick<KeyToPath, 'path'>[], source: string): SourcedPath[] {
  return items.map(({ path }) => ({ path, source }));
}

function projectedPaths({
  configMap,
  secret,
  downwardAPI,
  serviceAccountToken,
  clusterTrustBundle,
  podCertificate,
}: VolumeProjection): SourcedPath[] {
  if (configMap?.items) return pathsOf(configMap.items, `ConfigMap "${configMap.name ?? ''}"`);
  if (secret?.items) return pathsOf(secret.items, `Secret "${secret.name ?? ''}"`);
  if (downwardAPI?.items) return pathsOf(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return [{ path: serviceAccountToken.path, source: 'ServiceAccountToken' }];
  if (clusterTrustBundle) {
    const { path, name, signerName } = clusterTrustBundle;
    return [{ path, source: `ClusterTrustBundle "${name ?? signerName ?? ''}"` }];
  }
  const { certificateChainPath = '', keyPath = '', credentialBundlePath = '' } = podCertificate ?? {};
  return [
    { path: certificateChainPath, source: 'PodCertificate chain' },
    { path: keyPath, source: 'PodCertificate key' },
    { path: credentialBundlePath, source: 'PodCertificate credential bundle' },
  ].filter(({ path }) => path !== '');
}

function overlapsIn(paths: readonly SourcedPath[]): string[] {
  const seen: SourcedPath[] = [];
  const overlaps: string[] = [];
  for (const { path: written, source } of paths) {
    const place = { path: written.replace(/\/+$/, ''), source };
    if (place.path === '') continue;
    for (const other of seen)
      if (leadsThrough(other.path, place.path) || leadsThrough(place.path, other.path))
        overlaps.push(`${shown(place)} with ${shown(other)}`);
    seen.push(place);
  }
  return overlaps;
}

function leadsThrough(path: string, other: string): boolean {
  return `${path}/`.startsWith(`${other}/`);
}

function shown({ path, source }: SourcedPath): string {
  return source ? `${JSON.stringify(path)} (${source})` : JSON.stringify(path);
}
