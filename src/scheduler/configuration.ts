/**
 * Which plugins a profile runs, in which order and with which weights: upstream's defaults, as changed by the
 * configuration.
 */

import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events/event-recorder.ts';
import type { InformerFactory } from '../client/informers/informer.ts';
import { KnownDevices } from './devices/known-devices.ts';
import type { Plugin } from './framework/plugin.ts';
import { createProfile, type Profile, type WeightedPlugin } from './framework/profile.ts';
import { defaultBinder } from './plugins/default-binder.ts';
import { type DefaultPreemptionArgs, defaultPreemption } from './plugins/default-preemption.ts';
import { createDefaultConstraints } from './plugins/default-spread.ts';
import { type DynamicResourcesArgs, dynamicResources } from './plugins/dynamic-resources.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { type InterPodAffinityArgs, interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import {
  type BalancedAllocationArgs,
  nodeResourcesBalancedAllocation,
} from './plugins/node-resources-balanced-allocation.ts';
import { type NodeResourcesFitArgs, nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { schedulingGates } from './plugins/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { nodeVolumeLimits } from './plugins/volumes/node-volume-limits.ts';
import { volumeBinding } from './plugins/volumes/volume-binding.ts';
import { volumeListers } from './plugins/volumes/volume-listers.ts';
import { volumeRestrictions } from './plugins/volumes/volume-restrictions.ts';
import { volumeZone } from './plugins/volumes/volume-zone.ts';

/** What plugins may use besides the snapshot. */
export interface PluginHandle {
  client: Client;
  informers: InformerFactory;
  random: Random;
  clock: Clock;
  recorder: EventRecorder;
  metrics: MetricsRegistry;
}

/** What all profiles of a scheduler share. */
interface SharedHandle extends PluginHandle {
  /** A device that one of them has decided on is not to be had for another. */
  devices: KnownDevices;
}

export interface PluginArgs {
  NodeResourcesFit?: NodeResourcesFitArgs;
  NodeResourcesBalancedAllocation?: BalancedAllocationArgs;
  InterPodAffinity?: InterPodAffinityArgs;
  DefaultPreemption?: DefaultPreemptionArgs;
  DynamicResources?: DynamicResourcesArgs;
}

/** Extension points at which a plugin can be disabled separately. */
export type ExtensionPoint =
  | 'preEnqueue'
  | 'preFilter'
  | 'filter'
  | 'postFilter'
  | 'preScore'
  | 'score'
  | 'reserve'
  | 'permit'
  | 'preBind'
  | 'bind'
  | 'postBind';

export interface ProfileConfiguration {
  schedulerName: string;
  /** Names to disable; `*`: all that `enabled` does not name. */
  disabled?: readonly string[];
  /** Plugins with a weight other than the default, or added to those that `*` disabled. */
  enabled?: readonly { name: string; weight?: number }[];
  /** Names (or `*`) to disable at one point. */
  disabledPoints?: Partial<Record<ExtensionPoint, readonly string[]>>;
  args?: PluginArgs;
}

export interface SchedulerConfiguration {
  profiles: readonly ProfileConfiguration[];
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
}

export const defaultConfiguration: SchedulerConfiguration = {
  profiles: [{ schedulerName: 'default-scheduler' }],
};

interface RegistryRow {
  weight: number;
  create(handle: SharedHandle, args: PluginArgs): Plugin;
}

/** In the order in which filters run: cheap and decisive ones first. */
const registry: Record<string, RegistryRow> = {
  SchedulingGates: { weight: 0, create: schedulingGates },
  NodeUnschedulable: { weight: 0, create: nodeUnschedulable },
  NodeName: { weight: 0, create: () => nodeName() as Plugin },
  TaintToleration: { weight: 3, create: () => taintToleration() as Plugin },
  NodeAffinity: { weight: 2, create: () => nodeAffinity() as Plugin },
  NodePorts: { weight: 0, create: () => nodePorts() as Plugin },
  NodeResourcesFit: {
    weight: 1,
    create: ({ devices }, args) => nodeResourcesFit(args.NodeResourcesFit, devices.byResource),
  },
  VolumeRestrictions: {
    weight: 0,
    create: ({ informers }) => volumeRestrictions(volumeListers(informers)) as Plugin,
  },
  NodeVolumeLimits: {
    weight: 0,
    create: ({ informers }) => nodeVolumeLimits(volumeListers(informers)) as Plugin,
  },
  VolumeBinding: {
    weight: 0,
    create: ({ client, clock, informers }) =>
      volumeBinding({ client, clock, ...volumeListers(informers) }) as Plugin,
  },
  VolumeZone: { weight: 0, create: ({ informers }) => volumeZone(volumeListers(informers)) as Plugin },
  DynamicResources: {
    weight: 0,
    create: (handle, args) => dynamicResources(handle, args.DynamicResources) as Plugin,
  },
  PodTopologySpread: {
    weight: 2,
    create: ({ informers }) => podTopologySpread(createDefaultConstraints(informers)) as Plugin,
  },
  InterPodAffinity: { weight: 2, create: (_, args) => interPodAffinity(args.InterPodAffinity) as Plugin },
  DefaultPreemption: {
    weight: 0,
    create: (handle, args) => defaultPreemption(handle, args.DefaultPreemption),
  },
  NodeResourcesBalancedAllocation: {
    weight: 1,
    create: (_, args) => nodeResourcesBalancedAllocation(args.NodeResourcesBalancedAllocation) as Plugin,
  },
  ImageLocality: { weight: 1, create: () => imageLocality() as Plugin },
  DefaultBinder: { weight: 0, create: ({ client }) => defaultBinder(client) },
};

export function buildProfiles(
  configuration: SchedulerConfiguration,
  handle: PluginHandle,
): Map<string, Profile> {
  for (const profile of configuration.profiles) checkNames(profile);
  const shared = { ...handle, devices: new KnownDevices(handle.informers, handle.random) };
  return new Map(
    configuration.profiles.map((profile) => [
      profile.schedulerName,
      createProfile(profile.schedulerName, choosePlugins(profile, shared)),
    ]),
  );
}

function checkNames({ enabled = [], disabled = [] }: ProfileConfiguration): void {
  for (const name of [...enabled.map((entry) => entry.name), ...disabled])
    if (name !== '*' && !Object.hasOwn(registry, name))
      throw new Error(`there is no scheduler plugin ${name}`);
}

function choosePlugins(profile: ProfileConfiguration, handle: SharedHandle): WeightedPlugin[] {
  const disabled = new Set(profile.disabled);
  const enabled = new Map(profile.enabled?.map((entry) => [entry.name, entry]));
  return Object.entries(registry)
    .filter(([name]) => enabled.has(name) || !(disabled.has(name) || disabled.has('*')))
    .map(([name, { weight, create }]) => ({
      plugin: withoutPoints(create(handle, profile.args ?? {}), profile),
      weight: enabled.get(name)?.weight ?? weight,
    }));
}

function withoutPoints(plugin: Plugin, { disabledPoints = {} }: ProfileConfiguration): Plugin {
  const left: Plugin = { ...plugin };
  for (const [point, names] of Object.entries(disabledPoints))
    if (names.includes('*') || names.includes(plugin.name)) delete left[point as ExtensionPoint];
  return left;
}
