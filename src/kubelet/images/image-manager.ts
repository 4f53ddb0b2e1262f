/** Makes a container's image available: pull policies, credentials, back-off, and the events that report them. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import { formatGoDuration } from '../../base/text/go-duration.ts';
import type { WaitingReason } from '../containers/container-statuses.ts';
import { WaitBackoff } from '../containers/crash-backoff.ts';
import type { Image, SandboxConfig } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { isUnanswered, RuntimeError } from '../cri/runtime-error.ts';
import type { ObjectSource } from '../object-source.ts';
import type { ContainerEvents } from '../pod/pod-events.ts';
import type { ImageFindings, ImageMetrics, PullPolicy } from './image-metrics.ts';
import { type ImageName, parseImageName } from './image-name.ts';
import { credentialsFor, type PullCredential } from './pull-credentials.ts';
import { pullProblemOf } from './pull-problem.ts';
import { reportPullProgress } from './pull-progress.ts';
import { pullSecretsOf } from './pull-secrets.ts';
import type { PulledImages } from './pulled-images.ts';

/** The image is not available now. */
export class ImageProblem extends Error {
  readonly waiting: WaitingReason;
  /** When to try again. */
  readonly retryInMs: number;
  /** Its event has been sent. */
  readonly isReported: boolean;
  constructor(waiting: WaitingReason, retryInMs: number, { isReported = false } = {}) {
    super(waiting.message);
    this.waiting = waiting;
    this.retryInMs = retryInMs;
    this.isReported = isReported;
  }
}

export interface ImageManagerOptions {
  runtime: ContainerRuntime;
  objects: ObjectSource;
  clock: Clock;
  signal: AbortSignal;
  pulled: PulledImages;
  metrics: Pick<ImageMetrics, 'pulled' | 'requested'>;
  /** How many images are pulled at once; undefined: no limit. */
  pullsMax?: number | undefined;
}

interface Pull {
  image: Image;
  /** How long it took, not counting the wait for other pulls. */
  pullMs: number;
}

/** How soon after a failed pull the back-off is reported in an event, and how soon it shows in the status. */
const backoffReportedAfterMs = 1_000;
const backoffShownAfterMs = 10_000;
/** An invalid name, or a missing image under policy Never, may be fixed without a change of the pod. */
const recheckMs = 10_000;

/** For whom an image is made available. */
export interface ImageUser {
  pod: Pod;
  sandbox: SandboxConfig;
  /** About the image. */
  events: ContainerEvents;
  /** About the container that waits for it, where {@link events} are about its pod: for image volumes. */
  containerEvents?: ContainerEvents;
  /** A pull begins, which may take long; `shows`: it was waiting, which must be visible once before. */
  pulling(shows?: WaitingReason): void;
}

interface PullRequest {
  pod: Pod;
  name: ImageName;
  /** The name as the container states it. */
  text: string;
  /** Of the back-off. */
  key: string;
  sandbox: SandboxConfig;
  events: ContainerEvents;
}

export class ImageManager {
  readonly #runtime: ContainerRuntime;
  readonly #objects: ObjectSource;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #backoff: WaitBackoff;
  /** How the last pull failed, by back-off key. */
  readonly #failures = new Map<string, { atMs: number; waiting: WaitingReason; isReported: boolean }>();
  /** By name and credentials, those that wait for a free slot included. */
  readonly #pulls = new Map<string, Promise<Pull>>();
  readonly #pullsMax: number;
  /** How many images arrive now. */
  #pulling = 0;
  /** Pulls that wait for a free slot, in order. */
  readonly #queue: (() => void)[] = [];
  readonly pulled: PulledImages;
  readonly #metrics: Pick<ImageMetrics, 'pulled' | 'requested'>;
  /** When an image was last needed, by its id: for garbage collection. */
  readonly lastUsedMs = new Map<string, number>();

  constructor(options: ImageManagerOptions) {
    const { runtime, objects, clock, signal, pulled, pullsMax = Number.POSITIVE_INFINITY } = options;
    this.#pullsMax = pullsMax;
    this.#runtime = runtime;
    this.#objects = objects;
    this.pulled = pulled;
    this.#metrics = options.metrics;
    this.#clock = clock;
    this.#signal = signal;
    this.#backoff = new WaitBackoff({ clock });
  }

  /** @throws ImageProblem */
  async ensure(
    { image: text = '', imagePullPolicy }: Pick<core.Container, 'image' | 'imagePullPolicy'>,
    user: ImageUser,
  ): Promise<Image> {
    const byDefault = isLatest(text) ? 'Always' : 'IfNotPresent';
    const policy = (imagePullPolicy as PullPolicy | undefined) ?? byDefault;
    const found: ImageFindings = {};
    try {
      return await this.#provide(text, policy, user, found);
    } finally {
      this.#metrics.requested(policy, found);
    }
  }

  async #provide(
    text: string,
    policy: PullPolicy,
    { pod, sandbox, events, containerEvents = events, pulling }: ImageUser,
    found: ImageFindings,
  ): Promise<Image> {
    const name = parseImageName(text);
    if ('problem' in name) {
      const message = `Failed to apply default image tag "${text}": ${name.problem}`;
      events.warning('InspectFailed', message);
      throw new ImageProblem({ reason: 'InvalidImageName', message }, recheckMs);
    }
    const present = policy === 'Always' ? undefined : await this.#inspect(name, events);
    if (policy !== 'Always') found.isPresent = present !== undefined;
    const credentials = () => this.#credentials(pod, name);
    if (present && (await this.pulled.mayUse(present, name, credentials))) {
      found.mustPull = false;
      events.normal(
        'Pulled',
        `Container image "${text}" already present on machine and can be accessed by the pod`,
      );
      return this.#used(present);
    }
    if (policy !== 'Never' || present) found.mustPull = true;
    if (policy === 'Never') {
      const message = `Container image "${text}" is not present with pull policy of Never`;
      events.warning('ErrImageNeverPull', message);
      throw new ImageProblem({ reason: 'ErrImageNeverPull', message }, recheckMs);
    }
    const key = `${pod.metadata.uid}_${text}`;
    pulling(this.#refuseDuringBackoff(key, text, { events, containerEvents }));
    return this.#used(await this.#pull({ pod, name, text, key, sandbox, events }));
  }

  forgetPod(uid: string): void {
    this.#backoff.forget(`${uid}_`);
    for (const key of this.#failures.keys()) if (key.startsWith(`${uid}_`)) this.#failures.delete(key);
  }

  /**
   * The last failure is shown for a while before the wait is, and the wait always before the next pull: that is what
   * users of upstream see. Returns what to show before a pull that may proceed.
   */
  #refuseDuringBackoff(
    key: string,
    text: string,
    { events, containerEvents }: Required<Pick<ImageUser, 'events' | 'containerEvents'>>,
  ): WaitingReason | undefined {
    const failure = this.#failures.get(key);
    if (!failure) return undefined;
    const waiting = { reason: 'ImagePullBackOff', message: `Back-off pulling image "${text}"` };
    const remainingMs = this.#backoff.remainingMs(key, failure.atMs);
    if (remainingMs <= 0) return waiting;
    const unseenMs = Math.min(backoffShownAfterMs, failure.atMs + backoffShownAfterMs - this.#clock.now());
    if (!failure.isReported) {
      containerEvents.warning('Failed', `Error: ${waiting.reason}`);
      events.normal('BackOff', waiting.message);
    }
    failure.isReported = true;
    if (unseenMs > 0)
      throw new ImageProblem(failure.waiting, Math.min(remainingMs, unseenMs), { isReported: true });
    throw new ImageProblem(waiting, remainingMs, { isReported: true });
  }

  async #pull({ pod, name, text, key, sandbox, events }: PullRequest): Promise<Image> {
    const startMs = this.#clock.monotonic();
    events.normal('Pulling', `Pulling image "${text}"`);
    const ended = new AbortController();
    const [runtime, clock, pulls] = [this.#runtime, this.#clock, () => this.#pulling];
    void reportPullProgress({ runtime, clock, events, image: text, pulls }, ended.signal);
    try {
      const credentials = await this.#credentials(pod, name);
      const { image, pullMs } = await this.#pullOnce(name, credentials, sandbox);
      const took = formatGoDuration(pullMs);
      const all = formatGoDuration(this.#clock.monotonic() - startMs);
      events.normal(
        'Pulled',
        `Successfully pulled image "${text}" in ${took} (${all} including waiting). Image size: ${image.size} bytes.`,
      );
      this.#failures.delete(key);
      return image;
    } catch (error) {
      if (this.#signal.aborted) throw error;
      const atMs = this.#clock.now();
      events.warning('Failed', `Failed to pull image "${text}": ${(error as Error).message}`);
      const waiting = pullProblemOf(text, error as Error);
      this.#backoff.next(key, atMs);
      this.#failures.set(key, { atMs, waiting, isReported: false });
      throw new ImageProblem(waiting, backoffReportedAfterMs);
    } finally {
      ended.abort();
    }
  }

  /** Pods that want the same image with the same credentials share a pull. */
  #pullOnce(name: ImageName, credentials: PullCredential[], sandbox: SandboxConfig): Promise<Pull> {
    const key = JSON.stringify([name.full, credentials]);
    let pull = this.#pulls.get(key);
    if (!pull) {
      pull = this.#pullInTurn(name, credentials, sandbox).finally(() => this.#pulls.delete(key));
      this.#pulls.set(key, pull);
    }
    return pull;
  }

  async #pullInTurn(name: ImageName, credentials: PullCredential[], sandbox: SandboxConfig): Promise<Pull> {
    if (this.#pulling >= this.#pullsMax) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#pulling++;
    try {
      const startMs = this.#clock.monotonic();
      const image = await this.#pullOnRecord(name, credentials, sandbox);
      const pullMs = this.#clock.monotonic() - startMs;
      this.#metrics.pulled(image.size, pullMs / 1000);
      return { image, pullMs };
    } finally {
      // The first waiting pull takes over the slot.
      const next = this.#queue.shift();
      if (next) next();
      else this.#pulling--;
    }
  }

  async #pullOnRecord(
    name: ImageName,
    credentials: PullCredential[],
    sandbox: SandboxConfig,
  ): Promise<Image> {
    await this.pulled.begin(name);
    try {
      const { reference, credential } = await this.#tryCredentials(name, credentials, sandbox);
      const image = (await this.#find(name)) ?? (await this.#runtime.imageStatus({ image: reference }));
      if (!image) throw new RuntimeError('NotFound', `image ${reference} is not there after its pull`);
      await this.pulled.succeeded(name, image.id, credential);
      return image;
    } catch (error) {
      await this.pulled.failed(name);
      throw error;
    }
  }

  /**
   * Returns a reference to what was pulled, and the credential that the registry accepted; undefined: it needed none.
   */
  async #tryCredentials(
    name: ImageName,
    credentials: PullCredential[],
    sandbox: SandboxConfig,
  ): Promise<{ reference: string; credential: PullCredential | undefined }> {
    const image = { image: name.full };
    const options = { signal: this.#signal };
    const failures: Error[] = [];
    for (const credential of credentials.length > 0 ? credentials : [undefined]) {
      try {
        const reference = await this.#runtime.pullImage(image, credential?.auth, sandbox, options);
        return { reference, credential };
      } catch (error) {
        failures.push(error as Error);
      }
    }
    throw asOneError(failures);
  }

  async #credentials(pod: Pod, name: ImageName): Promise<PullCredential[]> {
    return credentialsFor(name, (await pullSecretsOf(this.#objects, pod)).secrets);
  }

  /** What the runtime says of the image. @throws ImageProblem when it answers with an error */
  async #inspect(name: ImageName, events: ContainerEvents): Promise<Image | undefined> {
    try {
      return await this.#find(name);
    } catch (error) {
      // From a runtime that does not answer nothing is known: the caller tries again soon.
      if (!(error instanceof RuntimeError) || isUnanswered(error)) throw error;
      // Upstream has the image's id in quotes, which is not known here.
      const message = `Failed to inspect image "": ${error.message}`;
      events.warning('InspectFailed', message);
      throw new ImageProblem({ reason: 'ImageInspectError', message }, recheckMs);
    }
  }

  #find(name: ImageName): Promise<Image | undefined> {
    return this.#runtime.imageStatus({ image: name.full });
  }

  #used(image: Image): Image {
    this.lastUsedMs.set(image.id, this.#clock.now());
    return image;
  }
}

function isLatest(text: string): boolean {
  const name = parseImageName(text);
  return !('problem' in name) && name.full.endsWith(':latest');
}

/** Why each of the credentials was refused, as upstream adds errors up. */
function asOneError(failures: readonly Error[]): Error {
  const messages = new Set(failures.map(({ message }) => message));
  if (messages.size === 1) return failures[0]!;
  return new Error(`[${[...messages].join(', ')}]`, { cause: failures.at(-1) });
}
