/** A runtime whose operations are counted and timed, under the names that upstream's metrics give them. */
import { type Outcome, timed } from '../../base/async/timed.ts';
import type { Clock } from '../../base/clock.ts';
import type { ContainerRuntime } from './runtime.ts';

export interface RuntimeOperations {
  /** Reports how long an operation took, and whether it failed. */
  done(operation: string, outcome: Outcome, seconds: number): void;
}

/** Operations not named here are no requests to the runtime, or do not end by themselves. */
const operations = {
  version: 'version',
  status: 'status',
  updatePodCidr: 'update_runtime_config',
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandboxes: 'list_podsandbox',
  createContainer: 'create_container',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  containerStatus: 'container_status',
  listContainers: 'list_containers',
  updateContainerResources: 'update_container',
  reopenContainerLog: 'reopen_container_log',
  execSync: 'exec_sync',
  exec: 'exec',
  attach: 'attach',
  portForward: 'port_forward',
  listContainerStats: 'list_container_stats',
  listImages: 'list_images',
  imageStatus: 'image_status',
  imageSnapshot: 'image_status',
  pullImage: 'pull_image',
  removeImage: 'remove_image',
  imageFsInfo: 'image_fs_info',
} as const satisfies Partial<Record<keyof ContainerRuntime, string>>;

type AnyMethod = (...args: unknown[]) => Promise<unknown>;

export function measuredRuntime(
  runtime: ContainerRuntime,
  clock: Pick<Clock, 'monotonic'>,
  measure: RuntimeOperations,
): ContainerRuntime {
  const measured: Record<string, AnyMethod> = {};
  for (const [method, operation] of Object.entries(operations)) {
    const call = (runtime[method as keyof typeof operations] as AnyMethod).bind(runtime);
    const done = (outcome: Outcome, seconds: number) => measure.done(operation, outcome, seconds);
    measured[method] = (...args) => timed(clock, () => call(...args), done);
  }
  return {
    ...(measured as Pick<ContainerRuntime, keyof typeof operations>),
    downloads: () => runtime.downloads(),
    dropAbandoned: () => runtime.dropAbandoned(),
    events: (signal, ready) => runtime.events(signal, ready),
    close: () => runtime.close(),
  };
}
