/** Housekeeping of a real node: log rotation, image removal, eviction under pressure. */
import type { Pod } from '../api/resources.gen.ts';
import type { KubeletSettings } from './configuration/configuration.ts';
import type { KubeletContext } from './context.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import { ImageGc } from './images/image-gc.ts';
import { parseImageName } from './images/image-name.ts';
import { rotateLogs } from './linux/log-rotation.ts';
import type { NodeRegistration } from './node/node-registration.ts';
import type { NodeReporter } from './node/node-reporter.ts';
import type { PodSet } from './pod/pod-set.ts';
import { SandboxLeftovers } from './sandbox/sandbox-leftovers.ts';

export interface HousekeepingOptions {
  context: KubeletContext;
  pods: PodSet;
  reporter: NodeReporter;
  registration: NodeRegistration;
  nodeName: string;
  rootDir: string;
  /** The limits of the control group of all pods. */
  podsMemoryMaxBytes: number;
  settings: Pick<KubeletSettings, 'evictionThresholds' | 'pressureStaysMs' | 'imageGc' | 'logs'>;
}

export function startHousekeeping(options: HousekeepingOptions, signal: AbortSignal): void {
  const { context, pods, reporter, registration, nodeName, rootDir, podsMemoryMaxBytes, settings } = options;
  const { runtime, clock, logger, recorder, machine } = context;
  const imageGc = new ImageGc({
    runtime,
    clock,
    logger,
    recorder,
    nodeName,
    imageFs: async () => (await machine.usage()).imageFs,
    lastUsedMs: context.images.lastUsedMs,
    pulled: context.images.pulled,
    metrics: context.timings.images,
    *inVolumes() {
      for (const { pod } of pods.workers()) yield* volumeImages(pod);
    },
    ...settings.imageGc,
  });
  const eviction = new EvictionManager({
    context,
    pods,
    reporter,
    registration,
    imageGc,
    rootDir,
    podsMemoryMaxBytes,
    thresholds: settings.evictionThresholds,
    pressureStaysMs: settings.pressureStaysMs,
  });
  if (machine.sandboxTraces) {
    const traces = machine.sandboxTraces;
    void new SandboxLeftovers({
      runtime,
      clock,
      logger,
      traces,
      makingSinceMs: () => context.sandboxStarts.oldestMs(),
    }).run(signal);
  }
  void imageGc.run(signal);
  void eviction.run(signal);
  void rotateLogs(
    {
      runtime,
      clock,
      logger,
      *logs() {
        for (const { observed } of pods.workers())
          for (const { id, state, logPath } of observed.containers)
            if (state === 'running' && logPath) yield { id, logPath };
      },
      ...settings.logs,
    },
    signal,
  );
}

/** In the form by which a runtime knows images. */
function* volumeImages({ spec }: Pod): Generator<string> {
  for (const { image } of spec.volumes ?? []) {
    const name = parseImageName(image?.reference ?? '');
    if (!('problem' in name)) yield name.full;
  }
}
