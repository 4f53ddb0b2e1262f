/**
 * With whose credentials the images of this node were pulled. A present image is for those who could have pulled it:
 * what one namespace pulled with its secret is not given to another that merely knows its name.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../base/logger.ts';
import { JsonFile } from '../../base/system/json-file.ts';
import type { Image } from '../cri/messages.ts';
import type { ImageName } from './image-name.ts';
import type { PullCredential, SecretOrigin } from './pull-credentials.ts';

/** When a pod must prove that it may pull an image that is already present. */
export const verificationPolicies = [
  'NeverVerify',
  /** Except for images that did not arrive by a pull of the kubelet. */
  'NeverVerifyPreloadedImages',
  /** Except for images on the allow-list. */
  'NeverVerifyAllowlistedImages',
  'AlwaysVerify',
] as const;
export type VerificationPolicy = (typeof verificationPolicies)[number];

export interface Verification {
  policy: VerificationPolicy;
  /** Repositories; one that ends in `/*` stands for all below it. */
  allowlist: readonly string[];
}

/** Every pod, if it was pulled without credentials; otherwise those that have one of these. */
type Access = 'everybody' | (SecretOrigin & { hash: string })[];

interface Records {
  /** By image id, then by repository: one image may have several names. */
  images: Record<string, Record<string, Access>>;
  /**
   * Names whose pull has begun: if the kubelet is killed meanwhile, what arrived is not mistaken for a preloaded image.
   */
  pulling: string[];
}

export interface PulledImagesOptions {
  /** Where it is stored; absent: only in memory. */
  file?: string | undefined;
  logger: Logger;
  verification: Verification;
}

/** Per image: limits what namespaces that come and go leave behind. */
const secretsMax = 100;

export class PulledImages {
  readonly #options: PulledImagesOptions;
  readonly #images = new Map<string, Record<string, Access>>();
  /** How many pulls of a name go on. */
  readonly #pulling = new Map<string, number>();
  /** Names whose pull a killed kubelet did not end: until such a pull succeeds. */
  readonly #interrupted = new Set<string>();
  #loading: Promise<void> | undefined;
  readonly #file: JsonFile<Records> | undefined;

  constructor(options: PulledImagesOptions) {
    this.#options = options;
    const { file } = options;
    this.#file = file === undefined ? undefined : new JsonFile(file, { mode: 0o600, folderMode: 0o700 });
  }

  /** `credentials`: looked up only when needed. */
  async mayUse(
    image: Image,
    name: ImageName,
    credentials: () => Promise<readonly PullCredential[]>,
  ): Promise<boolean> {
    await this.#load();
    const record = this.#images.get(image.id);
    if (!this.#mustVerify(name, { wasPulled: record !== undefined || this.#isBegun(name) })) return true;
    const access = record?.[repositoryOf(name)];
    if (access === undefined) return false;
    if (access === 'everybody') return true;
    for (const credential of await credentials()) {
      const known = access.find(
        ({ hash, ...origin }) => hash === hashOf(credential) || isSame(origin, credential.secret),
      );
      if (!known) continue;
      // A renewed secret, or another with the same content: from now on it counts by itself.
      if (this.#grant(image.id, name, credential)) await this.#saveOrWarn();
      return true;
    }
    return false;
  }

  /** Records that a pull begins; without the record it must not begin. */
  async begin(name: ImageName): Promise<void> {
    await this.#load();
    const count = this.#pulling.get(name.full) ?? 0;
    this.#pulling.set(name.full, count + 1);
    if (count > 0) return;
    try {
      await this.#save();
    } catch (error) {
      this.#ended(name);
      throw error;
    }
  }

  /** `credential`: the one that the registry accepted; undefined: it needed none. */
  async succeeded(name: ImageName, imageId: string, credential: PullCredential | undefined): Promise<void> {
    this.#interrupted.delete(name.full);
    this.#ended(name);
    this.#grant(imageId, name, credential);
    await this.#saveOrWarn();
  }

  async failed(name: ImageName): Promise<void> {
    if (this.#ended(name)) await this.#saveOrWarn();
  }

  #isBegun({ full }: ImageName): boolean {
    return this.#pulling.has(full) || this.#interrupted.has(full);
  }

  /** True: it was the last pull of that name. */
  #ended(name: ImageName): boolean {
    const count = (this.#pulling.get(name.full) ?? 0) - 1;
    if (count > 0) this.#pulling.set(name.full, count);
    else this.#pulling.delete(name.full);
    return count <= 0;
  }

  /** Drops images that no longer exist; one that is pulled during the listing is kept. */
  async prune(listIds: () => Promise<ReadonlySet<string>>): Promise<void> {
    await this.#load();
    const known = [...this.#images.keys()];
    const present = await listIds();
    const gone = known.filter((id) => !present.has(id));
    for (const id of gone) this.#images.delete(id);
    if (gone.length > 0) await this.#saveOrWarn();
  }

  #mustVerify(name: ImageName, { wasPulled }: { wasPulled: boolean }): boolean {
    const { policy, allowlist } = this.#options.verification;
    switch (policy) {
      case 'NeverVerify':
        return false;
      case 'NeverVerifyPreloadedImages':
        return wasPulled;
      case 'NeverVerifyAllowlistedImages':
        return !allowlist.some((pattern) => covers(pattern, repositoryOf(name)));
      case 'AlwaysVerify':
        return true;
    }
  }

  /** False: that was known already. */
  #grant(imageId: string, name: ImageName, credential: PullCredential | undefined): boolean {
    const record = this.#images.get(imageId) ?? {};
    this.#images.set(imageId, record);
    const repository = repositoryOf(name);
    const access = record[repository];
    if (access === 'everybody') return false;
    if (!credential) {
      record[repository] = 'everybody';
      return true;
    }
    const granted = { ...credential.secret, hash: hashOf(credential) };
    const others = (access ?? []).filter((each) => !isSame(each, credential.secret));
    const isNews = !access?.some((each) => isSame(each, credential.secret) && each.hash === granted.hash);
    if (!isNews || others.length >= secretsMax) return false;
    record[repository] = [...others, granted];
    return true;
  }

  /** An unreadable record is dropped: its images count as preloaded then. */
  #load(): Promise<void> {
    this.#loading ??= this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    try {
      const { images, pulling } = (await this.#file?.read()) ?? { images: {}, pulling: [] };
      for (const [id, record] of Object.entries(images)) this.#images.set(id, record);
      for (const name of pulling) this.#interrupted.add(name);
    } catch (error) {
      this.#options.logger.warn('who pulled which image cannot be read and is forgotten', { error });
    }
  }

  /** The image is present, and the record is written with the next change. */
  #saveOrWarn(): Promise<void> {
    return this.#save().catch((error: unknown) =>
      this.#options.logger.warn('who pulled which image could not be saved', { error }),
    );
  }

  async #save(): Promise<void> {
    await this.#file?.write(() => ({
      images: Object.fromEntries(this.#images),
      pulling: [...new Set([...this.#pulling.keys(), ...this.#interrupted])],
    }));
  }
}

function repositoryOf({ registry, repository }: ImageName): string {
  return `${registry}/${repository}`;
}

function covers(pattern: string, repository: string): boolean {
  return pattern.endsWith('/*') ? repository.startsWith(pattern.slice(0, -1)) : pattern === repository;
}

function isSame(one: SecretOrigin, other: SecretOrigin): boolean {
  return one.uid === other.uid && one.namespace === other.namespace && one.name === other.name;
}

function hashOf({ auth }: PullCredential): string {
  return createHash('sha256').update(JSON.stringify(auth)).digest('hex');
}
