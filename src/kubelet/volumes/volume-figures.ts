/** Usage of a volume, from its driver or from the file system that it is on. */
import type { VolumeUsage } from '../csi/messages.ts';
import { filesystemUse } from '../linux/usage/filesystem-use.ts';
import { diskUseOf } from '../linux/usage/folder-use.ts';
import type { VolumeUse } from './pod-volumes.ts';

type Figures = Omit<VolumeUse, 'name' | 'claimName'>;

/**
 * Of the volume in the folder `path`. `isShared`: others have files on its file system. `byPath`: what drivers say.
 * Undefined: it has no figures, as its driver tells none, or it is a device, or gone.
 */
export async function figuresOf(
  path: string,
  { isShared, byPath }: { isShared: boolean; byPath: ReadonlyMap<string, readonly VolumeUsage[]> },
): Promise<Figures | undefined> {
  if (path.includes('/kubernetes.io~csi/')) return driverFigures(byPath.get(path));
  return isShared ? ownFigures(path) : folderFigures(path);
}

/** Undefined: the driver reports nothing. */
function driverFigures(usage: readonly VolumeUsage[] | undefined): Figures | undefined {
  const bytes = usage?.find(({ unit }) => unit === 'BYTES');
  if (!bytes) return undefined;
  const inodes = usage?.find(({ unit }) => unit === 'INODES');
  return {
    availableBytes: bytes.available,
    capacityBytes: bytes.total,
    usedBytes: bytes.used,
    inodes: inodes?.total ?? 0,
    inodesFree: inodes?.available ?? 0,
    inodesUsed: inodes?.used ?? 0,
  };
}

/** For the whole file system that holds the folder. Undefined: it is a device, or gone. */
async function folderFigures(path: string): Promise<Figures | undefined> {
  const use = await filesystemUse(path);
  return use && { ...use, inodesUsed: use.inodes - use.inodesFree };
}

/** For the folder alone, on a file system that it shares with others. Undefined: it is gone. */
async function ownFigures(path: string): Promise<Figures | undefined> {
  const use = await folderFigures(path);
  if (!use) return undefined;
  const { bytes, inodes } = await diskUseOf(path);
  return { ...use, usedBytes: bytes, inodesUsed: inodes };
}
