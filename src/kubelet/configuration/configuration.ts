/**
 * Reads upstream's configuration file of the kubelet (KubeletConfiguration), as far as it means something here. Pure.
 */
import { tryParseQuantity, wholeValueOf } from '../../api/quantities/quantity.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { parsePeriodMs } from '../../base/text/go-duration.ts';
import { defaultThresholds, type Signal, signals, type Threshold } from '../eviction/eviction-plan.ts';
import { type Verification, type VerificationPolicy, verificationPolicies } from '../images/pulled-images.ts';
import { isUnset, settledFields, settledProblem } from './settled-fields.ts';

/** As in the file: quantities and durations are strings. */
export interface KubeletConfiguration {
  apiVersion?: string;
  kind?: string;
  maxPods?: number;
  podPidsLimit?: number;
  kubeReserved?: Record<string, string>;
  systemReserved?: Record<string, string>;
  evictionHard?: Record<string, string>;
  evictionSoft?: Record<string, string>;
  evictionSoftGracePeriod?: Record<string, string>;
  evictionMaxPodGracePeriod?: number;
  evictionMinimumReclaim?: Record<string, string>;
  evictionPressureTransitionPeriod?: string;
  mergeDefaultEvictionSettings?: boolean;
  imageGCHighThresholdPercent?: number;
  imageGCLowThresholdPercent?: number;
  imageMinimumGCAge?: string;
  imageMaximumGCAge?: string;
  containerLogMaxSize?: string;
  containerLogMaxFiles?: number;
  containerLogMonitorInterval?: string;
  serializeImagePulls?: boolean;
  maxParallelImagePulls?: number;
  imagePullCredentialsVerificationPolicy?: VerificationPolicy;
  preloadedImagesVerificationAllowlist?: string[];
  allowedUnsafeSysctls?: string[];
  registerWithTaints?: core.Taint[];
  staticPodPath?: string;
  enableSystemLogHandler?: boolean;
  seccompDefault?: boolean;
  crashLoopBackOff?: { maxContainerRestartPeriod?: string };
}

export interface KubeletSettings {
  podsMax: number;
  /** Undefined: as many processes as the node supports. */
  podPidsMax: number | undefined;
  kubeReserved: Record<string, string>;
  systemReserved: Record<string, string>;
  evictionThresholds: readonly Threshold[];
  /** How long a pressure condition stays after its cause is gone. */
  pressureStaysMs: number;
  imageGc: { highPercent: number; lowPercent: number; ageMinMs: number; ageMaxMs: number | undefined };
  logs: { sizeMaxBytes: number; filesMax: number; everyMs: number };
  /** How many images are pulled at once; undefined: no limit. */
  parallelPullsMax: number | undefined;
  pullVerification: Verification;
  allowedUnsafeSysctls: readonly string[];
  taints: core.Taint[];
  staticPodDir: string | undefined;
  /** Whether `/logs/` shows the log files of the node. */
  showsSystemLogs: boolean;
  /** Whether containers without a seccomp profile get the runtime's default. */
  seccompDefault: boolean;
  /** The longest delay before a container that keeps failing is restarted. */
  restartWaitMaxMs: number;
}

const apiVersion = 'kubelet.config.k8s.io/v1beta1';
const kind = 'KubeletConfiguration';

/** Upstream's values, written as in the file; `/configz` shows them with the given values in their place. */
const defaults = {
  maxPods: 110,
  podPidsLimit: -1,
  kubeReserved: {},
  systemReserved: {},
  evictionMaxPodGracePeriod: 0,
  evictionPressureTransitionPeriod: '5m0s',
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  imageMinimumGCAge: '2m0s',
  imageMaximumGCAge: '0s',
  containerLogMaxSize: '10Mi',
  containerLogMaxFiles: 5,
  containerLogMonitorInterval: '10s',
  serializeImagePulls: false,
  imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
  allowedUnsafeSysctls: [],
  registerWithTaints: [],
  enableSystemLogHandler: true,
  seccompDefault: false,
  crashLoopBackOff: { maxContainerRestartPeriod: '5m0s' },
} satisfies KubeletConfiguration;

type FieldType = 'text' | 'number' | 'boolean' | 'map' | 'list';
/** Every field that is supported here, with the rule for its value. */
const fields: Record<string, FieldType> = {
  apiVersion: 'text',
  kind: 'text',
  maxPods: 'number',
  podPidsLimit: 'number',
  kubeReserved: 'map',
  systemReserved: 'map',
  evictionHard: 'map',
  evictionSoft: 'map',
  evictionSoftGracePeriod: 'map',
  evictionMaxPodGracePeriod: 'number',
  evictionMinimumReclaim: 'map',
  evictionPressureTransitionPeriod: 'text',
  mergeDefaultEvictionSettings: 'boolean',
  imageGCHighThresholdPercent: 'number',
  imageGCLowThresholdPercent: 'number',
  imageMinimumGCAge: 'text',
  imageMaximumGCAge: 'text',
  containerLogMaxSize: 'text',
  containerLogMaxFiles: 'number',
  containerLogMonitorInterval: 'text',
  serializeImagePulls: 'boolean',
  maxParallelImagePulls: 'number',
  imagePullCredentialsVerificationPolicy: 'text',
  preloadedImagesVerificationAllowlist: 'list',
  allowedUnsafeSysctls: 'list',
  registerWithTaints: 'list',
  staticPodPath: 'text',
  enableSystemLogHandler: 'boolean',
  seccompDefault: 'boolean',
  crashLoopBackOff: 'map',
} satisfies Record<keyof KubeletConfiguration, FieldType>;

/** For these, Go's empty value means the default. */
const defaultedWhenEmpty = [
  'maxPods',
  'evictionPressureTransitionPeriod',
  'imageMinimumGCAge',
  'containerLogMaxSize',
  'imagePullCredentialsVerificationPolicy',
] as const satisfies readonly (keyof KubeletConfiguration)[];

/**
 * `source`: the parsed file. Fields that only state the default behaviour are dropped.
 * @throws Error with everything that is wrong with it
 */
export function parseKubeletConfiguration(source: unknown): KubeletConfiguration {
  const shape = (source ?? {}) as KubeletConfiguration;
  if (shape.kind !== kind || shape.apiVersion !== apiVersion)
    throw new Error(`no ${kind} of ${apiVersion}, but ${shape.kind} of ${shape.apiVersion}`);
  const problems = Object.entries(shape).flatMap(([name, value]) => {
    const wanted = fields[name];
    if (wanted === undefined) return settledProblem(name, value) ?? [];
    return typeOf(value) === wanted ? [] : [`${name}: must be a ${wanted}`];
  });
  if (problems.length > 0) throw new Error(problems.join('; '));
  const configuration = withoutEmpty(shape);
  problems.push(...problemsOf(configuration));
  if (problems.length > 0) throw new Error(problems.join('; '));
  return configuration;
}

/** Only supported fields that have a value. */
function withoutEmpty(shape: KubeletConfiguration): KubeletConfiguration {
  const isEmpty = (name: string, value: unknown) =>
    (defaultedWhenEmpty as readonly string[]).includes(name) && isUnset(value);
  return Object.fromEntries(
    Object.entries(shape).filter(([name, value]) => name in fields && !isEmpty(name, value)),
  );
}

/** The kubelet's effective settings. `configuration`: from {@link parseKubeletConfiguration}. */
export function kubeletSettings(configuration: KubeletConfiguration = {}): KubeletSettings {
  const given = { ...defaults, ...configuration };
  const ageMaxMs = parsePeriodMs(given.imageMaximumGCAge)!;
  const { maxParallelImagePulls } = given;
  return {
    podsMax: given.maxPods,
    podPidsMax: given.podPidsLimit > 0 ? given.podPidsLimit : undefined,
    kubeReserved: given.kubeReserved,
    systemReserved: given.systemReserved,
    evictionThresholds: thresholdsOf(given),
    pressureStaysMs: parsePeriodMs(given.evictionPressureTransitionPeriod)!,
    imageGc: {
      highPercent: given.imageGCHighThresholdPercent,
      lowPercent: given.imageGCLowThresholdPercent,
      ageMinMs: parsePeriodMs(given.imageMinimumGCAge)!,
      ageMaxMs: ageMaxMs > 0 ? ageMaxMs : undefined,
    },
    logs: {
      sizeMaxBytes: wholeValueOf(given.containerLogMaxSize),
      filesMax: given.containerLogMaxFiles,
      everyMs: parsePeriodMs(given.containerLogMonitorInterval)!,
    },
    parallelPullsMax: given.serializeImagePulls ? 1 : maxParallelImagePulls,
    pullVerification: {
      policy: given.imagePullCredentialsVerificationPolicy,
      allowlist: given.preloadedImagesVerificationAllowlist ?? [],
    },
    allowedUnsafeSysctls: given.allowedUnsafeSysctls,
    taints: given.registerWithTaints,
    staticPodDir: configuration.staticPodPath || undefined,
    showsSystemLogs: given.enableSystemLogHandler,
    seccompDefault: given.seccompDefault,
    restartWaitMaxMs: parsePeriodMs(restartPeriodOf(given))!,
  };
}

/** Upstream's bounds for `maxContainerRestartPeriod`. */
const [restartPeriodMinMs, restartPeriodMaxMs] = [1_000, 300_000];

function isBetween(value: number | undefined, min: number, max: number): boolean {
  return value !== undefined && value >= min && value <= max;
}

function restartPeriodOf({ crashLoopBackOff }: KubeletConfiguration): string {
  return crashLoopBackOff?.maxContainerRestartPeriod ?? defaults.crashLoopBackOff.maxContainerRestartPeriod;
}

/** The effective configuration, for `/configz`: as upstream, with the fields that nobody has set, and no empty ones. */
export function effectiveConfiguration(configuration: KubeletConfiguration = {}): KubeletConfiguration {
  const hard = defaultThresholds.map(({ signal, minimum }) => [signal, minimumText(minimum)]);
  return {
    ...(settledFields() as KubeletConfiguration),
    ...defaults,
    evictionHard: Object.fromEntries(hard) as Record<string, string>,
    ...configuration,
    kind,
    apiVersion,
  };
}

function minimumText(minimum: Threshold['minimum']): string {
  return typeof minimum === 'number' ? `${minimum / 1024 ** 2}Mi` : `${minimum.percent}%`;
}

function thresholdsOf(given: KubeletConfiguration): Threshold[] {
  const reclaim = given.evictionMinimumReclaim ?? {};
  const isSignal = (name: string): name is Signal => (signals as readonly string[]).includes(name);
  const read = (map: Record<string, string> = {}): Threshold[] =>
    Object.entries(map).flatMap(([signal, text]) => {
      const minimum = parseMinimum(text);
      if (!isSignal(signal) || minimum === undefined || isNothing(minimum)) return [];
      const more = reclaim[signal] === undefined ? undefined : parseMinimum(reclaim[signal]);
      return [
        {
          signal,
          minimum,
          ...(typeof minimum === 'number' && { minimumText: text }),
          ...(more !== undefined && { reclaim: more }),
        },
      ];
    });
  const hard = given.evictionHard === undefined ? [...defaultThresholds] : read(given.evictionHard);
  if (given.evictionHard !== undefined && given.mergeDefaultEvictionSettings)
    hard.push(...defaultThresholds.filter(({ signal }) => given.evictionHard![signal] === undefined));
  const soft = read(given.evictionSoft).map((threshold) => ({
    ...threshold,
    graceMs: parsePeriodMs(given.evictionSoftGracePeriod?.[threshold.signal] ?? '')!,
    podGraceSeconds: given.evictionMaxPodGracePeriod ?? 0,
  }));
  // Pods must leave as much of what they may use together as of the machine's memory.
  const ofPods = hard
    .filter(({ signal }) => signal === 'memory.available')
    .map((threshold) => ({ ...threshold, signal: 'allocatableMemory.available' as const }));
  return [...hard, ...soft, ...ofPods];
}

/** A threshold of zero is none. */
function isNothing(minimum: Threshold['minimum']): boolean {
  return typeof minimum === 'number' ? minimum === 0 : minimum.percent === 0;
}

function parseMinimum(text: string): Threshold['minimum'] | undefined {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent !== undefined) return Number(percent) <= 100 ? { percent: Number(percent) } : undefined;
  return isAmount(text) ? wholeValueOf(text) : undefined;
}

function isAmount(text: unknown): text is string {
  const quantity = tryParseQuantity(text);
  return quantity !== undefined && quantity.nanos >= 0n;
}

function* problemsOf(shape: KubeletConfiguration): Generator<string> {
  const given = { ...defaults, ...shape };
  for (const name of ['evictionHard', 'evictionSoft', 'evictionMinimumReclaim'] as const)
    for (const [signal, text] of Object.entries(shape[name] ?? {})) {
      if (!(signals as readonly string[]).includes(signal))
        yield `${name}: unknown eviction signal ${signal}`;
      else if (parseMinimum(text) === undefined) yield `${name}: invalid value for ${signal}: ${text}`;
    }
  for (const signal of Object.keys(shape.evictionSoft ?? {}))
    if (parsePeriodMs(shape.evictionSoftGracePeriod?.[signal] ?? '') === undefined)
      yield `grace period must be specified for the soft eviction threshold ${signal}`;
  for (const name of ['kubeReserved', 'systemReserved'] as const)
    for (const [resource, text] of Object.entries(shape[name] ?? {}))
      if (!isAmount(text)) yield `${name}: invalid quantity for ${resource}: ${text}`;
  for (const name of [
    'evictionPressureTransitionPeriod',
    'imageMinimumGCAge',
    'imageMaximumGCAge',
    'containerLogMonitorInterval',
  ] as const)
    if (parsePeriodMs(given[name]) === undefined) yield `${name}: invalid duration ${given[name]}`;
  if (parsePeriodMs(given.containerLogMonitorInterval) === 0)
    yield 'containerLogMonitorInterval: must be greater than 0';
  if (!isAmount(given.containerLogMaxSize))
    yield `containerLogMaxSize: invalid quantity ${given.containerLogMaxSize}`;
  if (given.containerLogMaxFiles <= 1) yield 'containerLogMaxFiles: must be greater than 1';
  if (given.maxPods < 0) yield 'maxPods: must not be a negative number';
  const { imageGCHighThresholdPercent: high, imageGCLowThresholdPercent: low } = given;
  for (const percent of [high, low])
    if (percent < 0 || percent > 100)
      yield `image garbage collection thresholds must be between 0 and 100: ${percent}`;
  if (low >= high)
    yield `imageGCLowThresholdPercent (${low}) must be less than imageGCHighThresholdPercent (${high})`;
  const restartPeriodMs = parsePeriodMs(restartPeriodOf(given));
  if (!isBetween(restartPeriodMs, restartPeriodMinMs, restartPeriodMaxMs))
    yield `crashLoopBackOff.maxContainerRestartPeriod: ${restartPeriodOf(given)} must be between 1s and 5m0s`;
  const { imagePullCredentialsVerificationPolicy: verification } = given;
  if (!(verificationPolicies as readonly string[]).includes(verification))
    yield `imagePullCredentialsVerificationPolicy: unsupported value ${verification}`;
  if (verification !== 'NeverVerifyAllowlistedImages' && shape.preloadedImagesVerificationAllowlist?.length)
    yield 'preloadedImagesVerificationAllowlist: may only be set with imagePullCredentialsVerificationPolicy NeverVerifyAllowlistedImages';
  if (shape.maxParallelImagePulls !== undefined) {
    if (shape.maxParallelImagePulls < 1) yield 'maxParallelImagePulls: must be a positive number';
    if (shape.serializeImagePulls && shape.maxParallelImagePulls !== 1)
      yield 'maxParallelImagePulls: cannot be larger than 1 unless serializeImagePulls is set to false';
  }
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object' && value !== null) return 'map';
  return typeof value === 'string' ? 'text' : typeof value;
}
