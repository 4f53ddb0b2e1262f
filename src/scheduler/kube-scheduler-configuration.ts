/**
 * Reads upstream's configuration file of the scheduler (KubeSchedulerConfiguration), as far as it means something here.
 */
import { misfits, type Shape, throwAll, withoutNulls } from '../base/text/configuration-shape.ts';
import { parseGoDuration } from '../base/text/go-duration.ts';
import type {
  ExtensionPoint,
  PluginArgs,
  ProfileConfiguration,
  SchedulerConfiguration,
} from './configuration.ts';
import type { DynamicResourcesArgs } from './plugins/dynamic-resources.ts';

interface PluginSet {
  enabled?: { name: string; weight?: number }[];
  disabled?: { name: string }[];
}

interface ProfileShape {
  schedulerName?: string;
  plugins?: Record<string, PluginSet | undefined>;
  pluginConfig?: { name: string; args?: object }[];
  percentageOfNodesToScore?: number;
}

interface ConfigurationShape {
  apiVersion?: string;
  kind?: string;
  profiles?: ProfileShape[];
  percentageOfNodesToScore?: number;
  podInitialBackoffSeconds?: number;
  podMaxBackoffSeconds?: number;
}

const bindingTimeoutMinMs = 1_000;
const supportedVersions = ['kubescheduler.config.k8s.io/v1', 'kubescheduler.config.k8s.io/v1beta3'];
const everywhere = 'multiPoint';
const points = [
  ...[everywhere, 'preEnqueue', 'queueSort', 'preFilter', 'filter', 'postFilter', 'preScore', 'score'],
  ...['reserve', 'permit', 'preBind', 'bind', 'postBind'],
];

const pluginSet: Shape = { enabled: [{ name: 'text', weight: 'number' }], disabled: [{ name: 'text' }] };
const weights: Shape = [{ name: 'text', weight: 'number' }];
const fileShape: Shape = {
  profiles: [
    {
      schedulerName: 'text',
      plugins: Object.fromEntries(points.map((point) => [point, pluginSet])),
      pluginConfig: [{ name: 'text', args: 'anything' }],
      percentageOfNodesToScore: 'number',
    },
  ],
  percentageOfNodesToScore: 'number',
  podInitialBackoffSeconds: 'number',
  podMaxBackoffSeconds: 'number',
};
const argsShapes: Readonly<Record<string, Shape>> = {
  NodeResourcesFit: {
    ignoredResources: ['text'],
    ignoredResourceGroups: ['text'],
    scoringStrategy: {
      type: 'text',
      resources: weights,
      requestedToCapacityRatio: { shape: [{ utilization: 'number', score: 'number' }] },
    },
  },
  NodeResourcesBalancedAllocation: { resources: weights },
  InterPodAffinity: { hardPodAffinityWeight: 'number' },
  DynamicResources: { bindingTimeout: 'text', filterTimeout: 'text' },
  DefaultPreemption: { minCandidateNodesPercentage: 'number', minCandidateNodesAbsolute: 'number' },
};

/** `source`: the parsed file. @throws Error that says what is wrong with it */
export function parseSchedulerConfiguration(source: unknown): SchedulerConfiguration {
  const { apiVersion, kind } = (source ?? {}) as ConfigurationShape;
  if (kind !== 'KubeSchedulerConfiguration' || !supportedVersions.includes(apiVersion ?? ''))
    throw new Error(
      `no KubeSchedulerConfiguration of ${supportedVersions.join(' or ')}, but ${kind} of ${apiVersion}`,
    );
  throwAll(misfits(fileShape, source as object));
  const shape = withoutNulls(source) as ConfigurationShape;
  const { percentageOfNodesToScore, podInitialBackoffSeconds, podMaxBackoffSeconds } = shape;
  const profiles = (shape.profiles?.length ? shape.profiles : [{}]).map(parseProfile);
  const names = profiles.map(({ schedulerName }) => schedulerName);
  if (new Set(names).size < names.length) throw new Error('two profiles have the same schedulerName');
  return {
    profiles,
    ...(percentageOfNodesToScore !== undefined && { percentageOfNodesToScore }),
    ...(podInitialBackoffSeconds !== undefined && { podInitialBackoffSeconds }),
    ...(podMaxBackoffSeconds !== undefined && { podMaxBackoffSeconds }),
  };
}

function parseProfile({
  schedulerName = 'default-scheduler',
  plugins = {},
  pluginConfig = [],
}: ProfileShape): ProfileConfiguration {
  const disabled: string[] = [];
  const enabled = new Map<string, { name: string; weight?: number }>();
  const disabledPoints: Partial<Record<ExtensionPoint, string[]>> = {};
  for (const [point, set] of Object.entries(plugins)) {
    if (!points.includes(point)) continue;
    const names = set?.disabled?.map(({ name }) => name) ?? [];
    if (point === everywhere) disabled.push(...names);
    else if (names.length > 0) disabledPoints[point as ExtensionPoint] = names;
    // A plugin that is enabled at one point takes part in all of its points, as with multiPoint.
    for (const entry of set?.enabled ?? []) enabled.set(entry.name, { ...enabled.get(entry.name), ...entry });
  }
  for (const { name, args = {} } of pluginConfig)
    throwAll(misfits(Object.hasOwn(argsShapes, name) ? argsShapes[name]! : 'anything', args));
  const { DynamicResources: ofDevices, ...others } = Object.fromEntries(
    pluginConfig.map((entry) => [entry.name, entry.args ?? {}]),
  );
  const args = {
    ...others,
    ...(ofDevices && { DynamicResources: parseDeviceArgs(ofDevices) }),
  } as PluginArgs;
  return { schedulerName, disabled, enabled: [...enabled.values()], disabledPoints, args };
}

/** How long a filter searches devices is limited by its steps: a limit of time is checked, and nothing else. */
function parseDeviceArgs(args: { bindingTimeout?: string; filterTimeout?: string }): DynamicResourcesArgs {
  const { bindingTimeout, filterTimeout } = args;
  const bindingTimeoutMs = bindingTimeout === undefined ? undefined : durationMs(bindingTimeout);
  throwAll([
    ...(filterTimeout !== undefined && durationMs(filterTimeout) < 0
      ? [`filterTimeout: Invalid value: ${JSON.stringify(filterTimeout)}: must be zero or positive`]
      : []),
    ...(bindingTimeoutMs !== undefined && bindingTimeoutMs < bindingTimeoutMinMs
      ? [`bindingTimeout: Invalid value: ${JSON.stringify(bindingTimeout)}: must be at least 1 second`]
      : []),
  ]);
  return { ...(bindingTimeoutMs !== undefined && { bindingTimeoutMs }) };
}

function durationMs(text: string): number {
  const ms = parseGoDuration(text);
  if (typeof ms !== 'number') throw new Error(ms.error);
  return ms;
}
