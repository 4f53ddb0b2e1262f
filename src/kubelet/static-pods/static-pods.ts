/** Static pods: manifests in a folder of the node, run without the API, where mirror pods represent them. */
import { createHash } from 'node:crypto';
import { watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { pause } from '../../base/clock.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import { configAnnotations } from '../pod/as-seen.ts';
import type { PodSet } from '../pod/pod-set.ts';
import type { Manifest } from './static-manifest.ts';

export interface StaticPodsOptions {
  context: KubeletContext;
  pods: PodSet;
  registration: NodeRegistration;
  /** The node's pods at the API. */
  informer: Informer<Pod>;
  folder: string;
}

/** The folder is watched, and also read from time to time, since watches may miss events. */
const everyMs = 20_000;
const settleMs = 100;

export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #current = new Map<string, Pod>();
  /** Problems of files, by name. */
  readonly #refused = new Map<string, string>();
  #wake: (() => void) | undefined;

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { folder, context, informer, pods } = this.#options;
    // The next pod of its name may be waiting, and its mirror has had its time.
    const unlisten = pods.onForgotten((worker) => {
      if (worker.isStatic) this.#wake?.();
    });
    signal.addEventListener('abort', unlisten, { once: true });
    const mirrorChanged = (pod: Pod) => {
      if (pod.metadata.annotations?.[configAnnotations.mirror]) this.#wake?.();
    };
    informer.handle({ added: mirrorChanged, updated: mirrorChanged, deleted: mirrorChanged });
    while (!signal.aborted) {
      // From now on: what changes while the folder is read counts for the next round.
      const changed = this.#change(signal);
      try {
        await this.load();
        if (informer.hasSynced) await this.#syncMirrors();
      } catch (error) {
        if (!signal.aborted) context.logger.warn('static pods could not be read', { folder, error });
      }
      await changed;
    }
  }

  /** The next change from this call on. */
  async #change(signal: AbortSignal): Promise<void> {
    const { folder, context } = this.#options;
    const changed = Promise.withResolvers<void>();
    this.#wake = changed.resolve;
    let watcher: ReturnType<typeof watch> | undefined;
    try {
      watcher = watch(folder, () => changed.resolve());
      watcher.on('error', () => changed.resolve());
    } catch (error) {
      // The folder may appear later, or the machine may have run out of watches; until then the folder is polled.
      context.logger.debug('the folder of static pods is not watched', { folder, error });
    }
    const stop = () => changed.resolve();
    signal.addEventListener('abort', stop, { once: true });
    const timer = context.clock.after(everyMs, stop);
    await changed.promise;
    timer.cancel();
    signal.removeEventListener('abort', stop);
    watcher?.close();
    // Files are often written in several steps.
    await pause(context.clock, settleMs, signal);
  }

  /** Reads the folder and starts its pods; does not need the API. */
  async load(): Promise<void> {
    const { pods } = this.#options;
    const wanted = await this.#read();
    for (const [uid] of this.#current) {
      if (wanted.has(uid)) continue;
      this.#current.delete(uid);
      pods.find(uid)?.remove();
    }
    for (const [uid, pod] of wanted) {
      if (this.#current.has(uid) || this.#isEnding(pod)) continue;
      this.#current.set(uid, pod);
      pods.update(pod, { isStatic: true });
    }
  }

  /** Whether what had its name before is still on its way out: two of that name never run side by side. */
  #isEnding({ metadata: { namespace, name } }: Pod): boolean {
    for (const { isStatic, pod } of this.#options.pods.workers())
      if (isStatic && pod.metadata.name === name && pod.metadata.namespace === namespace) return true;
    return false;
  }

  async #syncMirrors(): Promise<void> {
    for (const pod of this.#current.values()) await this.#mirror(pod);
    await this.#removeStaleMirrors();
  }

  async #read(): Promise<Map<string, Pod>> {
    const { folder, context } = this.#options;
    const found = new Map<string, Pod>();
    const names = (await readdir(folder).catch(ifMissing([]))).sort();
    for (const name of this.#refused.keys()) if (!names.includes(name)) this.#refused.delete(name);
    for (const name of names) {
      if (name.startsWith('.')) continue;
      try {
        // Most nodes have no manifest, and the code is large.
        const { readManifests } = await import('./static-manifest.ts');
        const text = await readFile(join(folder, name), 'utf8');
        for (const manifest of readManifests(text)) {
          const pod = asStaticPod(manifest, context.node().nodeName, context.clock.now());
          found.set(pod.metadata.uid, pod);
        }
        this.#refused.delete(name);
      } catch (error) {
        this.#noteRefusal(name, error as Error);
      }
    }
    return found;
  }

  /** The folder is read repeatedly, but an error is reported once. */
  #noteRefusal(name: string, error: Error): void {
    if (this.#refused.get(name) === error.message) return;
    this.#refused.set(name, error.message);
    this.#options.context.logger.warn('a manifest is invalid', { file: name, error });
  }

  async #mirror(pod: Pod): Promise<void> {
    const { context, registration, pods, informer } = this.#options;
    const { client } = context;
    const { namespace = '', name, uid } = pod.metadata;
    const present = informer.get(`${namespace}/${name}`);
    const isRight = present?.metadata.annotations?.[configAnnotations.mirror] === uid;
    if (present && isRight && !present.metadata.deletionTimestamp) {
      pods.find(uid)?.setMirror(present);
      return;
    }
    if (present) {
      await client
        .delete(
          Pod,
          { namespace, name },
          { gracePeriodSeconds: 0, preconditions: { uid: present.metadata.uid } },
        )
        .catch(ignoreGone);
    }
    const node = registration.node;
    const owner = {
      apiVersion: 'v1',
      kind: 'Node',
      name: context.node().nodeName,
      uid: node?.metadata.uid ?? '',
      controller: true,
    };
    const annotations = { ...pod.metadata.annotations, [configAnnotations.mirror]: uid };
    const { status: _, ...rest } = pod;
    try {
      const made = await client.create(Pod, {
        ...rest,
        metadata: {
          name,
          namespace,
          labels: pod.metadata.labels ?? {},
          annotations,
          ...(node && { ownerReferences: [owner] }),
        },
      });
      pods.find(uid)?.setMirror(made);
    } catch (error) {
      context.logger.info('a mirror pod could not be made', { pod: name, error });
    }
  }

  async #removeStaleMirrors(): Promise<void> {
    const { informer, context, pods } = this.#options;
    for (const pod of informer.list()) {
      const of = pod.metadata.annotations?.[configAnnotations.mirror];
      // It stands for its pod until that has ended.
      if (of === undefined || this.#current.has(of) || pods.find(of)) continue;
      const { namespace = '', name, uid } = pod.metadata;
      await context.client
        .delete(Pod, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
        .catch(ignoreGone);
    }
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 409)) throw error;
}

/** Named and annotated as by upstream. */
export function asStaticPod({ written, pod: given }: Manifest, nodeName: string, nowMs: number): Pod {
  const uid = createHash('md5')
    .update(JSON.stringify([nodeName, written]))
    .digest('hex');
  const tolerations = [...(given.spec.tolerations ?? [])];
  if (
    !tolerations.some(({ operator, effect, key }) => operator === 'Exists' && effect === 'NoExecute' && !key)
  )
    tolerations.push({ operator: 'Exists', effect: 'NoExecute' });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...given.metadata,
      name: `${given.metadata.name}-${nodeName}`,
      uid: given.metadata.uid || uid,
      resourceVersion: '',
      creationTimestamp: new Date(nowMs).toISOString(),
      annotations: {
        ...given.metadata.annotations,
        [configAnnotations.hash]: uid,
        [configAnnotations.source]: 'file',
        [configAnnotations.seen]: new Date(nowMs).toISOString(),
      },
    },
    spec: { ...given.spec, nodeName, tolerations },
    status: { phase: 'Pending' },
  };
}
