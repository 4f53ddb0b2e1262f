/** The names of upstream's volume plugins, as metrics show them. Pure. */
import type { PersistentVolume } from '../../api/resources.gen.ts';
import type { Volume } from '../../api/types/core-v1.gen.ts';

/** As upstream says it of a volume that no plugin is for. */
const none = 'N/A';

const ofVolumes: Partial<Record<keyof Volume, string>> = {
  configMap: 'configmap',
  secret: 'secret',
  projected: 'projected',
  downwardAPI: 'downward-api',
  emptyDir: 'empty-dir',
  hostPath: 'host-path',
  nfs: 'nfs',
  gitRepo: 'git-repo',
  image: 'image',
};

type PersistentSource = keyof NonNullable<PersistentVolume['spec']>;

const ofClaimed: Partial<Record<PersistentSource, string>> = {
  local: 'local-volume',
  hostPath: 'host-path',
  nfs: 'nfs',
};

/** Undefined for a claim, whose volume may be of any. */
export function pluginOf(volume: Volume): string | undefined {
  if (volume.persistentVolumeClaim || volume.ephemeral) return undefined;
  if (volume.csi) return csiPlugin(volume.csi.driver);
  const kind = (Object.keys(ofVolumes) as (keyof Volume)[]).find((name) => volume[name] !== undefined);
  return kind === undefined ? none : `kubernetes.io/${ofVolumes[kind]}`;
}

export function pluginOfClaimed({ spec = {} }: PersistentVolume): string {
  if (spec.csi) return csiPlugin(spec.csi.driver);
  const kind = (Object.keys(ofClaimed) as PersistentSource[]).find((name) => spec[name] !== undefined);
  return kind === undefined ? none : `kubernetes.io/${ofClaimed[kind]}`;
}

function csiPlugin(driver: string): string {
  return `kubernetes.io/csi:${driver}`;
}
