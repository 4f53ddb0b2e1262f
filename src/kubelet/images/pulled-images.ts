/**
 * Whose credentials the images of this node were pulled with. An image that is there is for those who could have pulled
 * it: what one namespace fetched with its secret is not given to another that only knows its name.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '../../base/logger.ts';
import type { Image } from '../cri/messages.ts';
import type { ImageName } from './image-name.ts';
import type { PullCredential, SecretOrigin } from './pull-credentials.ts';

/** When a pod must show that it may pull an image that is there. */
export const verificationPolicies = [
  'NeverVerify',
  /** Not for images that came otherwise than by a pull of the kubelet. */
  'NeverVerifyPreloadedImages',
  /** Not for images that the allow-list names. */
  'NeverVerifyAllowlistedImages',
  'AlwaysVerify',
] as const;
export type VerificationPolicy = (typeof verificationPolicies)[number];

export interface Verification {
  policy: VerificationPolicy;
  /** Repositories; one that ends in `/*` stands for all below it. */
  allowlist: readonly string[];
}

/** Every pod, if it was pulled without credentials; or who has one of these. */
type Access = 'everybody' | (SecretOrigin & { hash: string })[];

interface Records {
  /** By image id, then by repository: the same image may be had under several names. */
  images: Record<string, Record<string, Access>>;
  /** Names whose pull has begun: should the kubelet be killed meanwhile, what arrived is not taken for preloaded. */
  pulling: string[];
}

export interface PulledImagesOptions {
  /** Where it is remembered; absent: only in memory. */
  file?: string | undefined;
  logger: Logger;
  verification: Verification;
}

/** Of one image: bounds what namespaces that come and go leave behind. */
const secretsMax = 100;

export class PulledImages {
  readonly #options: PulledImagesOptions;
  readonly #images = new Map<string, Record<string, Access>>();
  readonly #pulling = new Map<string, number>();
  #loading: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: PulledImagesOptions) {
    this.#options = options;
  }

  /** `credentials`: asked for only if it comes to that. */
  async mayUse(
    image: Image,
    name: ImageName,
    credentials: () => Promise<readonly PullCredential[]>,
  ): Promise<boolean> {
    await this.#load();
    const record = this.#images.get(image.id);
    if (!this.#mustVerify(name, { wasPulled: record !== undefined || this.#pulling.has(name.full) }))
      return true;
    const access = record?.[repositoryOf(name)];
    if (access === undefined) return false;
    if (access === 'everybody') return true;
    for (const credential of await credentials()) {
      const known = access.find(
        ({ hash, ...origin }) => hash === hashOf(credential) || isSame(origin, credential.secret),
      );
      if (!known) continue;
      // A secret that was renewed, or another with the same content: it counts by itself from now on.
      if (this.#grant(image.id, name, credential)) await this.#saveOrWarn();
      return true;
    }
    return false;
  }

  /** A pull begins; what is not on record first must not begin. */
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

  /** `credential`: that the registry took; undefined: it asked for none. */
  async succeeded(name: ImageName, imageId: string, credential: PullCredential | undefined): Promise<void> {
    this.#pulling.delete(name.full);
    this.#grant(imageId, name, credential);
    await this.#saveOrWarn();
  }

  async failed(name: ImageName): Promise<void> {
    if (this.#ended(name)) await this.#saveOrWarn();
  }

  /** True: it was the last pull of that name. */
  #ended(name: ImageName): boolean {
    const count = (this.#pulling.get(name.full) ?? 0) - 1;
    if (count > 0) this.#pulling.set(name.full, count);
    else this.#pulling.delete(name.full);
    return count <= 0;
  }

  /** Forgets images that are no longer there; what is pulled while they are listed is kept. */
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

  /** False: that was known. */
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

  /** What cannot be read is forgotten: its images count as preloaded then, as after a change of the file's folder. */
  #load(): Promise<void> {
    this.#loading ??= this.#read();
    return this.#loading;
  }

  async #read(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      const { images, pulling } = JSON.parse(await readFile(file, 'utf8')) as Records;
      for (const [id, record] of Object.entries(images)) this.#images.set(id, record);
      // Those of a kubelet that was killed stay until a pull of theirs succeeds.
      for (const name of pulling) this.#pulling.set(name, Number.POSITIVE_INFINITY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      logger.warn('who pulled which image cannot be read and is forgotten', { error });
    }
  }

  /** The image is there, and the next change is written with this one. */
  #saveOrWarn(): Promise<void> {
    return this.#save().catch((error: unknown) =>
      this.#options.logger.warn('who pulled which image could not be saved', { error }),
    );
  }

  /** One after the other: they share a temporary file. */
  #save(): Promise<void> {
    const { file } = this.#options;
    if (file === undefined) return Promise.resolve();
    const write = async () => {
      const records: Records = {
        images: Object.fromEntries(this.#images),
        pulling: [...this.#pulling.keys()],
      };
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(`${file}.tmp`, JSON.stringify(records), { mode: 0o600 });
      await rename(`${file}.tmp`, file);
    };
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
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
