/** Adjusts the number of replicas so that the metrics of the pods meet their targets. */
import { isDeepStrictEqual } from 'node:util';
import { keyOf, parseApiVersion } from '../../api/meta.ts';
import { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { type ParsedLabelSelector, parseLabelSelector } from '../../api/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscalerCondition,
  MetricStatus,
} from '../../api/types/autoscaling-v2.gen.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { withCondition } from '../conditions.ts';
import {
  type ConditionState,
  limitReplicas,
  recentHistory,
  type ScalingHistory,
  tolerancesOf,
  withScaling,
} from './hpa-behavior.ts';
import { computeMetric, type MetricContext } from './hpa-metrics.ts';
import { problemOf } from './hpa-metrics-client.ts';
import { followAutoscalers, measureComputation, measureReconciliation } from './hpa-monitor.ts';
import {
  autoscalersOf,
  type CombinedMetrics,
  type ComputedMetric,
  combineMetrics,
  sizeByBounds,
} from './hpa-plan.ts';
import { MetricProblem } from './hpa-replicas.ts';
import { findResource, scalePathOf, writeScale } from './hpa-target.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Status = NonNullable<HorizontalPodAutoscaler['status']>;

/** State is kept per uid: an autoscaler created later under the same name starts without it. */
type Histories = Map<string, ScalingHistory & { uid: string }>;

/** By key, what selects the pods of each autoscaler's target. */
type Selectors = Map<string, ReturnType<typeof parseLabelSelector>>;

/** The interval between two evaluations of an autoscaler, and from its creation to the first. */
const syncMs = 15_000;

export function horizontalPodAutoscalerController(): AnyController {
  /** By key. Starts empty with the controller: the first recommendation of a run is the present size. */
  const histories: Histories = new Map();
  const selectors: Selectors = new Map();
  /** By key, when the next evaluation is due; a changed spec waits for it, too. */
  const dueMs = new Map<string, number>();
  return defineController({
    name: 'horizontalpodautoscaler',
    component: 'horizontal-pod-autoscaler',
    reconciles: HorizontalPodAutoscaler,
    reads: [Pod],
    metrics: (registry, informers) => followAutoscalers(registry, informers.of(HorizontalPodAutoscaler)),
    concerns: (hpa: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | undefined) =>
      !old || !isDeepStrictEqual(hpa.spec, old.spec),
    async reconcile(key, cluster, signal) {
      const hpa = cluster.get(HorizontalPodAutoscaler, key);
      if (!hpa) for (const known of [histories, selectors, dueMs]) known.delete(key);
      if (!hpa || hpa.metadata.deletionTimestamp) return undefined;
      const nowMs = cluster.clock.monotonic();
      const due = dueMs.get(key) ?? nowMs + syncMs;
      if (nowMs < due) {
        dueMs.set(key, due);
        return { requeueAfterMs: due - nowMs };
      }
      dueMs.set(key, nowMs + syncMs);
      const sync = new Sync({ hpa, cluster, signal, histories, selectors });
      try {
        await measureReconciliation(cluster, () => sync.run());
      } catch (error) {
        if (signal.aborted) throw error;
        // Problems are reported in conditions and events; the next evaluation comes on schedule.
        cluster.logger.debug('an autoscaler could not be served', { key, error });
      }
      await sync.writeStatus();
      return { requeueAfterMs: syncMs };
    },
  });
}

interface SyncOptions {
  hpa: HorizontalPodAutoscaler;
  cluster: ReconcileCluster;
  signal: AbortSignal;
  histories: Histories;
  selectors: Selectors;
}

/** The scale of an autoscaler's target, and where it is. */
interface Target {
  path: string;
  scale: Scale;
}

/** One evaluation of one autoscaler. */
class Sync {
  readonly #hpa: HorizontalPodAutoscaler;
  readonly #spec: Spec;
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #histories: Histories;
  readonly #selectors: Selectors;
  readonly #nowMs: number;
  #conditions: HorizontalPodAutoscalerCondition[];
  #status: Status;

  constructor({ hpa, cluster, signal, histories, selectors }: SyncOptions) {
    this.#hpa = hpa;
    this.#spec = hpa.spec!;
    this.#cluster = cluster;
    this.#signal = signal;
    this.#histories = histories;
    this.#selectors = selectors;
    this.#nowMs = cluster.clock.now();
    this.#conditions = hpa.status?.conditions ?? [];
    this.#status = {
      ...hpa.status,
      currentReplicas: hpa.status?.currentReplicas ?? 0,
      desiredReplicas: hpa.status?.desiredReplicas ?? 0,
    };
  }

  get #requests() {
    return { client: this.#cluster.client, signal: this.#signal };
  }

  /** Returns the previous and the desired number of replicas, and whether a metric was missing for it. */
  async run(): Promise<{ from: number; to: number; isPartial: boolean }> {
    const target = await this.#readScale();
    const current = target.scale.spec?.replicas ?? 0;
    this.#seed(current);
    const bounded = sizeByBounds(this.#spec, current);
    if (bounded?.active) this.#setCondition('ScalingActive', bounded.active);
    const { statuses, isPartial, ...desired } = bounded
      ? { ...bounded, statuses: [], isPartial: false }
      : await this.#sizeByMetrics(target.scale, current);
    if (desired.replicas !== current) await this.#rescale(target, current, desired, statuses);
    this.#status = {
      ...this.#status,
      currentReplicas: current,
      desiredReplicas: desired.replicas,
      currentMetrics: statuses,
      ...(desired.replicas !== current && { lastScaleTime: formatTime(this.#nowMs) }),
    };
    return { from: current, to: desired.replicas, isPartial };
  }

  async writeStatus(): Promise<void> {
    const status = { ...this.#status, conditions: this.#conditions };
    try {
      await this.#cluster.updateStatus(HorizontalPodAutoscaler, this.#hpa, status, this.#signal);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#warn('FailedUpdateStatus', error.message);
      throw error;
    }
  }

  async #readScale(): Promise<Target> {
    const { scaleTargetRef } = this.#spec;
    try {
      const path = await scalePathOf(this.#requests, this.#hpa.metadata.namespace, scaleTargetRef);
      const scale = await this.#cluster.client.raw<Scale>('GET', path, undefined, this.#signal);
      const message = "the HPA controller was able to get the target's current scale";
      this.#setCondition('AbleToScale', { status: 'True', reason: 'SucceededGetScale', message });
      return { path, scale };
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof Error)) throw error;
      this.#warn('FailedGetScale', error.message);
      const message = `the HPA controller was unable to get the target's current scale: ${error.message}`;
      this.#setCondition('AbleToScale', { status: 'False', reason: 'FailedGetScale', message });
      throw error;
    }
  }

  async #sizeByMetrics(scale: Scale, current: number) {
    const { asked, statuses, isPartial } = await this.#askMetrics(scale, current);
    return { replicas: this.#limit(current, asked.replicas), reason: asked.reason, statuses, isPartial };
  }

  async #askMetrics(
    scale: Scale,
    current: number,
  ): Promise<CombinedMetrics & { asked: NonNullable<CombinedMetrics['asked']> }> {
    const context = this.#contextOrWarn(scale, current);
    const computed: ComputedMetric[] = [];
    for (const spec of this.#spec.metrics ?? []) {
      const compute = () => computeMetric(spec, context);
      const outcome = await measureComputation(this.#cluster, spec.type, current, compute).catch(
        (error: unknown) => {
          if (error instanceof MetricProblem) return error;
          throw error;
        },
      );
      computed.push({ spec, outcome });
    }
    const combined = combineMetrics(computed, current);
    const { active, warnings, asked } = combined;
    for (const { reason, message } of warnings) this.#warn(reason, message);
    this.#setCondition('ScalingActive', active);
    if (asked) return { ...combined, asked };
    this.#status = { ...this.#status, currentReplicas: current };
    throw new MetricProblem(active.message);
  }

  #contextOrWarn(scale: Scale, current: number): MetricContext {
    try {
      return this.#metricContext(scale, current);
    } catch (error) {
      this.#warn('FailedComputeMetricsReplicas', (error as Error).message);
      this.#status = { ...this.#status, currentReplicas: current, currentMetrics: [] };
      throw error;
    }
  }

  #metricContext(scale: Scale, current: number): MetricContext {
    const { namespace = '' } = this.#hpa.metadata;
    const selector = scale.status?.selector ?? '';
    if (!selector) {
      this.#warn('SelectorRequired', 'selector is required');
      this.#refuse('InvalidSelector', "the HPA target's scale is missing a selector");
      throw new MetricProblem('selector is required');
    }
    const parsed = this.#parseSelector(selector);
    const pods = [...this.#cluster.informer(Pod).inNamespace(namespace)].filter(({ metadata }) =>
      parsed.matches(metadata.labels ?? {}),
    );
    this.#selectors.set(keyOf(this.#hpa), parsed);
    const sharing = autoscalersOf(pods, namespace, this.#selectors);
    if (sharing.length > 1) {
      const message = `pods by selector ${selector} are controlled by multiple HPAs: [${sharing.join(' ')}]`;
      this.#warn('AmbiguousSelector', message);
      this.#refuse('AmbiguousSelector', message);
      throw new MetricProblem(message);
    }
    return {
      client: this.#cluster.client,
      namespace,
      specReplicas: current,
      statusReplicas: scale.status?.replicas ?? 0,
      pods,
      selector,
      tolerances: tolerancesOf(this.#spec),
      nowMs: this.#nowMs,
      resourceOf: (reference) => this.#metricResourceOf(reference),
      signal: this.#signal,
    };
  }

  /** A custom resource's status may hold any text as its selector. */
  #parseSelector(selector: string): ParsedLabelSelector {
    try {
      return parseLabelSelector(selector);
    } catch (error) {
      const message = `couldn't convert selector into a corresponding internal selector object: ${(error as Error).message}`;
      this.#warn('InvalidSelector', message);
      this.#refuse('InvalidSelector', message);
      throw new MetricProblem(message);
    }
  }

  /** An unknown kind is a problem of that metric only: the others still count. */
  async #metricResourceOf({
    kind,
    apiVersion = 'v1',
  }: Pick<CrossVersionObjectReference, 'kind' | 'apiVersion'>): Promise<string> {
    const { group } = parseApiVersion(apiVersion);
    try {
      const { plural } = await findResource(this.#requests, apiVersion, kind);
      return group ? `${plural}.${group}` : plural;
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof Error)) throw error;
      const named = group ? `${kind}.${group}` : kind;
      throw problemOf('custom', new Error(`unable to map kind ${named} to resource: ${error.message}`));
    }
  }

  #limit(current: number, desired: number): number {
    const history = this.#history();
    const { replicas, ableToScale, scalingLimited } = limitReplicas(this.#spec, {
      current,
      desired,
      history,
      nowMs: this.#nowMs,
    });
    const recommendation = { replicas: desired, atMs: this.#nowMs };
    this.#remember({ ...history, recommendations: [...history.recommendations, recommendation] });
    this.#setCondition('AbleToScale', ableToScale);
    this.#setCondition('ScalingLimited', scalingLimited);
    return replicas;
  }

  async #rescale(
    { path, scale }: Target,
    current: number,
    { replicas, reason }: { replicas: number; reason: string },
    metrics: MetricStatus[],
  ): Promise<void> {
    const size = `New size: ${replicas}; reason: ${reason}`;
    try {
      await writeScale(this.#requests, path, scale, replicas);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#warn('FailedRescale', `${size}; error: ${error.message}`);
      const message = `the HPA controller was unable to update the target scale: ${error.message}`;
      this.#setCondition('AbleToScale', { status: 'False', reason: 'FailedUpdateScale', message });
      this.#status = { ...this.#status, currentReplicas: current, currentMetrics: metrics };
      throw error;
    }
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    this.#setCondition('AbleToScale', { status: 'True', reason: 'SucceededRescale', message });
    this.#event('Normal', 'SuccessfulRescale', size);
    this.#remember(withScaling(this.#history(), current, replicas, this.#nowMs));
  }

  #history(): ScalingHistory {
    const known = this.#histories.get(keyOf(this.#hpa));
    return known?.uid === this.#hpa.metadata.uid ? known : { recommendations: [], ups: [], downs: [] };
  }

  /** The first recommendation is the present size. */
  #seed(current: number): void {
    const history = this.#history();
    if (this.#histories.get(keyOf(this.#hpa)) === history) return;
    this.#remember({ ...history, recommendations: [{ replicas: current, atMs: this.#nowMs }] });
  }

  #remember(history: ScalingHistory): void {
    const { uid } = this.#hpa.metadata;
    this.#histories.set(keyOf(this.#hpa), { uid, ...recentHistory(this.#spec, history, this.#nowMs) });
  }

  #refuse(reason: string, message: string): void {
    this.#setCondition('ScalingActive', { status: 'False', reason, message });
  }

  #setCondition(type: string, { status, reason, message }: ConditionState): void {
    const now = formatTime(this.#nowMs);
    this.#conditions = withCondition(this.#conditions, { type, status, reason, message }, now);
  }

  #warn(reason: string, message: string): void {
    this.#event('Warning', reason, message);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(HorizontalPodAutoscaler, this.#hpa), type, reason, message);
  }
}
