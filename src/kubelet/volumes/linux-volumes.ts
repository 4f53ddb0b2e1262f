/** Volumes of pods on a Linux machine, below the kubelet's folder in upstream's layout. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PersistentVolume, Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { leastOf } from '../../base/least-of.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { removeTree } from '../../base/system/remove-tree.ts';
import type { ImageSnapshot } from '../cri/messages.ts';
import { CsiVolumes } from '../csi/csi-volumes.ts';
import { growFileSystem } from '../linux/device-mount.ts';
import { isMounted, unmountBelow } from '../linux/mounts.ts';
import { GrowingClaims } from './claims/growing-claims.ts';
import { LocalVolumes } from './claims/local-volumes.ts';
import { findClaimedVolume, isGrowing, localTarget, mountPersistent } from './claims/persistent-volume.ts';
import { SinglePodVolumes } from './claims/single-pod-volumes.ts';
import { giveToPodsGroup, keepGroup } from './directories/group-change.ts';
import { makeOnce } from './directories/make-once.ts';
import { mountSubPath, readInside } from './directories/sub-path.ts';
import {
  type MountedVolume,
  type PodVolumes,
  type SubPathRequest,
  VolumeError,
  type VolumeInputs,
  VolumesNotReady,
  type VolumeUse,
} from './pod-volumes.ts';
import { writeAtomically } from './projected/atomic-writer.ts';
import { computePayload } from './projected/payload.ts';
import { PayloadFolders } from './projected/payload-folders.ts';
import { TokenSource } from './projected/token-source.ts';
import { makeEmptyDir } from './sources/empty-dir.ts';
import { makeGitRepo } from './sources/git-repo.ts';
import { prepareHostPath } from './sources/host-path.ts';
import { imageViewName, mountImageFiles, removeImageView } from './sources/image-files.ts';
import { mountNfs } from './sources/nfs.ts';
import { volumesUsed } from './used-volumes.ts';
import { figuresOf } from './volume-figures.ts';

/** As upstream names folders after plugins. */
const imagePlugin = 'kubernetes.io~image';

export class LinuxVolumes implements PodVolumes {
  readonly #inputs: VolumeInputs;
  readonly #podsDir: string;
  readonly #payloads: PayloadFolders;
  readonly #tokens: TokenSource;
  readonly #csi: CsiVolumes;
  readonly #claims: GrowingClaims;
  readonly #singlePod = new SinglePodVolumes();
  readonly #local = new LocalVolumes();
  /** What was already set up and does not change, by pod uid and volume. */
  readonly #done = new Map<string, MountedVolume>();
  /** Those that are mounted, by pod uid and volume; `path`: of its files. */
  readonly #mounted = new Map<string, Map<string, { volume: core.Volume; path: string | undefined }>>();

  constructor(rootDir: string, inputs: VolumeInputs) {
    this.#inputs = inputs;
    this.#podsDir = join(rootDir, 'pods');
    this.#payloads = new PayloadFolders(rootDir);
    this.#tokens = new TokenSource(inputs);
    this.#csi = new CsiVolumes({
      ...inputs,
      ...inputs.csi,
      rootDir,
      tokens: this.#tokens,
      nodeName: () => inputs.node().nodeName,
    });
    inputs.storage.watch('actual', () => this.#mountedPlugins());
    this.#claims = new GrowingClaims({
      ...inputs,
      recorder: inputs.csi.recorder,
      expand: (pod, volumeName, claimed) => this.#expand(pod, volumeName, claimed),
    });
  }

  async setUp(pod: Pod): Promise<ReadonlyMap<string, MountedVolume>> {
    const mounted = new Map<string, MountedVolume>();
    const problems: VolumeError[] = [];
    const used = volumesUsed(pod);
    for (const volume of pod.spec.volumes ?? []) {
      if (!used.mounted.has(volume.name) && !used.mapped.has(volume.name)) continue;
      try {
        mounted.set(volume.name, await this.#setUpOne(pod, volume));
      } catch (error) {
        // The others are brought up to date nevertheless.
        problems.push(
          error instanceof VolumeError ? error : new VolumeError(volume.name, (error as Error).message),
        );
      }
    }
    if (problems.length > 0) throw new VolumesNotReady(problems);
    return mounted;
  }

  async mountImage({ metadata }: Pod, volumeName: string, snapshot: ImageSnapshot): Promise<string> {
    const folder = join(this.#podsDir, metadata.uid, 'volumes', imagePlugin, volumeName);
    await mountImageFiles(snapshot, imageViewName(metadata.uid, volumeName), folder);
    return folder;
  }

  async subPath({
    pod,
    container,
    index,
    volumeName,
    root,
    subPath,
    readOnly,
  }: SubPathRequest): Promise<string> {
    const target = join(
      this.#podsDir,
      pod.metadata.uid,
      'volume-subpaths',
      volumeName,
      container.name,
      String(index),
    );
    try {
      return await mountSubPath({ root, subPath, target, readOnly });
    } catch (error) {
      this.#inputs.logger.warn('a subPath could not be mounted', { pod: pod.metadata.name, subPath, error });
      throw new Error(
        `failed to prepare subPath for volumeMount "${volumeName}" of container "${container.name}"`,
        { cause: error },
      );
    }
  }

  readFile(root: string, path: string): Promise<string | undefined> {
    return readInside(root, path);
  }

  refreshDueMs(podUid: string): number | undefined {
    return leastOf(
      this.#tokens.refreshDueMs(podUid),
      this.#csi.republishDueMs(podUid),
      this.#claims.lookDueMs(podUid),
    );
  }

  async tearDown(podUid: string): Promise<void> {
    const { storage, clock } = this.#inputs;
    // All of them go together.
    const volumes = [...(this.#mounted.get(podUid)?.values() ?? [])].map(({ volume }) => volume);
    const operation = { name: 'volume_unmount', podUid, volumes } as const;
    await storage.operation(clock, operation, () => this.#tearDown(podUid));
    this.#mounted.delete(podUid);
    this.#singlePod.forget(podUid);
    this.#local.forget(podUid);
    storage.forget(podUid);
  }

  async #tearDown(podUid: string): Promise<void> {
    const folder = join(this.#podsDir, podUid);
    await unmountBelow(join(folder, 'volume-subpaths'));
    await this.#csi.tearDown(podUid);
    this.#claims.forget(podUid);
    const images = await readdir(join(folder, 'volumes', imagePlugin)).catch(ifMissing([]));
    await unmountBelow(folder);
    for (const name of images) await removeImageView(imageViewName(podUid, name));
    await removeTree(join(folder, 'volumes'));
    await removeTree(join(folder, 'volume-subpaths'));
    await removeTree(join(folder, 'volumeDevices'));
    await removeTree(this.#givenDir(podUid));
    await this.#payloads.remove(podUid);
    this.#tokens.forget(podUid);
    for (const key of this.#done.keys()) if (key.startsWith(`${podUid}/`)) this.#done.delete(key);
  }

  async list(): Promise<string[]> {
    const folders = await Promise.all([readdir(this.#podsDir).catch(ifMissing([])), this.#payloads.list()]);
    return [...new Set(folders.flat())];
  }

  async usage(pod: Pod): Promise<VolumeUse[]> {
    const byPath = await this.#csi.usage(pod.metadata.uid);
    const uses: VolumeUse[] = [];
    for (const { volume, path } of this.#mounted.get(pod.metadata.uid)?.values() ?? []) {
      if (path === undefined || volume.hostPath || volume.csi) continue;
      const { name } = volume;
      const claimName = claimNameOf(pod, volume);
      const isShared = claimName === undefined && !volume.nfs;
      const figures = await figuresOf(path, { isShared, byPath });
      if (figures) uses.push({ name, ...(claimName !== undefined && { claimName }), ...figures });
    }
    return uses;
  }

  clearUnused(): Promise<void> {
    return this.#csi.clearUnused();
  }

  isAttachLimitReached(pod: Pod): Promise<boolean> {
    return this.#csi.isAttachLimitReached(pod);
  }

  volumesInUse(): string[] {
    return this.#csi.volumesInUse();
  }

  async #setUpOne(pod: Pod, volume: core.Volume): Promise<MountedVolume> {
    const key = `${pod.metadata.uid}/${volume.name}`;
    const done = this.#done.get(key);
    if (done && !this.#csi.isRepublishDue(pod.metadata.uid, volume.name)) {
      await this.#claims.refresh(pod, volume.name);
      return done;
    }
    const { storage, clock } = this.#inputs;
    const { uid: podUid } = pod.metadata;
    const operation = { name: 'volume_mount', podUid, volumes: [volume] } as const;
    const mounted = await storage.operation(clock, operation, () => this.#mount(pod, volume));
    const ofPod = this.#mounted.get(podUid) ?? new Map();
    this.#mounted.set(podUid, ofPod.set(volume.name, { volume, path: mounted.hostPath }));
    return mounted;
  }

  *#mountedPlugins(): Iterable<string> {
    for (const [podUid, volumes] of this.#mounted)
      for (const { volume } of volumes.values()) {
        const plugin = this.#inputs.storage.pluginOf(podUid, volume);
        if (plugin !== undefined) yield plugin;
      }
  }

  async #mount(pod: Pod, volume: core.Volume): Promise<MountedVolume> {
    const payload = await computePayload(volume, {
      pod,
      objects: this.#inputs.objects,
      tokens: this.#tokens,
      node: this.#inputs.node(),
    });
    if (payload) {
      const folder = await this.#payloads.make(pod, volume, this.#volumesDir(pod));
      await writeAtomically(folder, payload, this.#newVersion(), pod.spec.securityContext?.fsGroup);
      return { hostPath: folder, readOnly: true };
    }
    const mounted = await this.#mountLasting(pod, volume);
    this.#done.set(`${pod.metadata.uid}/${volume.name}`, mounted);
    return mounted;
  }

  #expand(pod: Pod, volumeName: string, claimed: PersistentVolume): Promise<boolean> {
    const { uid: podUid } = pod.metadata;
    const volumes = (pod.spec.volumes ?? []).filter(({ name }) => name === volumeName);
    const { storage, clock } = this.#inputs;
    return storage.operation(clock, { name: 'volume_fs_resize', podUid, volumes }, async () => {
      const { csi, local } = claimed.spec ?? {};
      if (csi) return this.#csi.expand(pod, claimed);
      const target = localTarget(claimed, this.#volumesDir(pod));
      // A folder has the size of its disk.
      if (local && (await stat(local.path)).isBlockDevice() && (await isMounted(target)))
        await growFileSystem(local.path, target);
      return true;
    });
  }

  /** As upstream names its timestamped folders: down to the second, with a number. */
  #newVersion(): string {
    const { clock, random } = this.#inputs;
    const second = new Date(clock.now()).toISOString().slice(0, 19).replace(/[-:T]/g, '_');
    return `${second}.${String(Math.floor(random.next() * 1e10)).padStart(10, '0')}`;
  }

  /** Volumes whose contents belong to the pods. */
  async #mountLasting(pod: Pod, volume: core.Volume): Promise<MountedVolume> {
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type ?? '');
      return { hostPath: volume.hostPath.path };
    }
    if (volume.csi) {
      const hostPath = await this.#csi.mountInline(pod, volume.name, volume.csi);
      return { hostPath, readOnly: volume.csi.readOnly ?? false };
    }
    if (volume.image) return { image: volume.image, readOnly: true };
    if (volume.emptyDir) {
      const folder = join(this.#volumesDir(pod), 'kubernetes.io~empty-dir', volume.name);
      await makeEmptyDir({ pod, source: volume.emptyDir, folder, node: this.#inputs.node() });
      return { hostPath: folder };
    }
    const claimName = claimNameOf(pod, volume);
    if (claimName) return await this.#mountClaim(pod, volume, claimName);
    if (volume.nfs) {
      const folder = join(this.#volumesDir(pod), 'kubernetes.io~nfs', volume.name);
      await mountNfs(volume.nfs, folder);
      return { hostPath: folder, readOnly: volume.nfs.readOnly ?? false };
    }
    if (volume.gitRepo) {
      const folder = join(this.#volumesDir(pod), 'kubernetes.io~git-repo', volume.name);
      await makeGitRepo(folder, volume.gitRepo, pod.spec.securityContext?.fsGroup);
      return { hostPath: folder };
    }
    const kind = Object.keys(volume).find((name) => name !== 'name') ?? 'emptyDir';
    throw new Error(`no volume plugin matched for ${kind}`);
  }

  async #mountClaim(pod: Pod, volume: core.Volume, claimName: string): Promise<MountedVolume> {
    const { volume: claimed } = await findClaimedVolume(this.#inputs.client, pod, volume, claimName);
    const { uid } = pod.metadata;
    this.#inputs.storage.claimed(uid, volume.name, claimed);
    return this.#singlePod.use(uid, volume.name, claimed, () =>
      this.#mountClaimed(pod, volume, claimName, claimed),
    );
  }

  async #mountClaimed(
    pod: Pod,
    volume: core.Volume,
    claimName: string,
    claimed: PersistentVolume,
  ): Promise<MountedVolume> {
    const readOnly = volume.persistentVolumeClaim?.readOnly ?? false;
    if (claimed.spec?.csi) {
      const hostPath = await this.#csi.mountClaimed(pod, volume.name, claimed, { readOnly });
      await this.#claims.follow(pod, volume.name, claimName);
      return { hostPath, readOnly };
    }
    const mount = () => mountPersistent(claimed, volume.name, this.#volumesDir(pod));
    // Neither a folder of the node nor one of a server is the pod's alone: its group stays.
    if (!claimed.spec?.local) return { hostPath: await mount(), readOnly };
    const isGiven = !readOnly && claimed.spec.volumeMode !== 'Block';
    const hostPath = await this.#local.use(pod.metadata.uid, claimed, async (isShared) => {
      const path = await mount();
      if (isGiven) await this.#giveToGroup(pod, volume.name, { claimed, path, isShared });
      return path;
    });
    if (isGrowing(claimed)) await this.#claims.follow(pod, volume.name, claimName);
    return { hostPath, readOnly };
  }

  /** Once for each pod: files that come later are the pod's. A volume that another pod uses keeps its group. */
  async #giveToGroup(
    pod: Pod,
    volumeName: string,
    { claimed, path, isShared }: { claimed: PersistentVolume; path: string; isShared: boolean },
  ): Promise<void> {
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (fsGroup === undefined) return;
    const change = { ...this.#inputs, ...this.#inputs.csi, pod, path };
    await makeOnce(join(this.#givenDir(pod.metadata.uid), volumeName), () =>
      isShared ? keepGroup(change, claimed.metadata.name, fsGroup) : giveToPodsGroup(change, fsGroup),
    );
  }

  #volumesDir(pod: Pod): string {
    return join(this.#podsDir, pod.metadata.uid, 'volumes');
  }

  /**
   * Records which volumes were given to the pod's group: the next agent must not repeat that, since later files are the
   * pod's.
   */
  #givenDir(podUid: string): string {
    return join(this.#podsDir, podUid, 'given-to-group');
  }
}

function claimNameOf({ metadata }: Pod, volume: core.Volume): string | undefined {
  return volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral && `${metadata.name}-${volume.name}`);
}
