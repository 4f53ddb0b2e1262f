/** Adjusts the number of replicas so that the metrics of the pods meet their targets. */
import { isDeepStrictEqual } from 'node:util';
import { keyOf, parseApiVersion } from '../../api/meta.ts';
import { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { type ParsedLabelSelector, parseLabelSelector } from '../../api/selectors/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type { CrossVersionObjectReference, MetricSpec } from '../../api/types/autoscaling-v2.gen.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import {
  limitReplicas,
  recentHistory,
  type ScalingHistory,
  tolerancesOf,
  withScaling,
} from './hpa-behavior.ts';
import { computeMetric, type MetricContext } from './hpa-metrics.ts';
import { problemOf } from './hpa-metrics-client.ts';
import { followAutoscalers, measureComputation, measureReconciliation } from './hpa-monitor.ts';
import { autoscalersOf, type ComputedMetric, combineMetrics, sizeByBounds } from './hpa-plan.ts';
import { MetricProblem } from './hpa-replicas.ts';
import {
  evaluated,
  metricsCombined,
  type Report,
  type ReportedEvent,
  rescaled,
  rescaleFailed,
  type SelectorProblem,
  type SizeDecision,
  scaleRead,
  scaleUnreadable,
  selectorProblemText,
  selectorUnfit,
  sizeLimited,
  statusAfter,
} from './hpa-report.ts';
import { findResource, scalePathOf, writeScale } from './hpa-target.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;

type Size = Omit<SizeDecision, 'current'> & { isPartial: boolean };

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
      const evaluation = new Evaluation({ hpa, cluster, signal, histories, selectors });
      try {
        await measureReconciliation(cluster, () => evaluation.run());
      } catch (error) {
        if (signal.aborted) throw error;
        // Problems are reported in conditions and events; the next evaluation comes on schedule.
        cluster.logger.debug('an autoscaler could not be served', { key, error });
      }
      await evaluation.writeStatus();
      return { requeueAfterMs: syncMs };
    },
  });
}

interface EvaluationOptions {
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
class Evaluation {
  readonly #hpa: HorizontalPodAutoscaler;
  readonly #spec: Spec;
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #histories: Histories;
  readonly #selectors: Selectors;
  readonly #nowMs: number;
  /** The status is made of them at the end. */
  readonly #reports: Report[] = [];

  constructor({ hpa, cluster, signal, histories, selectors }: EvaluationOptions) {
    this.#hpa = hpa;
    this.#spec = hpa.spec!;
    this.#cluster = cluster;
    this.#signal = signal;
    this.#histories = histories;
    this.#selectors = selectors;
    this.#nowMs = cluster.clock.now();
  }

  get #requests() {
    return { client: this.#cluster.client, signal: this.#signal };
  }

  /** Returns the previous and the desired number of replicas, and whether a metric was missing for it. */
  async run(): Promise<{ from: number; to: number; isPartial: boolean }> {
    const target = await this.#readScale();
    const current = target.scale.spec?.replicas ?? 0;
    this.#seed(current);
    const { isPartial, ...size } =
      this.#sizeByBounds(current) ?? (await this.#sizeByMetrics(target.scale, current));
    const decision = { current, ...size };
    if (decision.replicas !== current) await this.#rescale(target, decision);
    this.#report(evaluated(decision, formatTime(this.#nowMs)));
    return { from: current, to: decision.replicas, isPartial };
  }

  /** Also after {@link run} has failed. */
  async writeStatus(): Promise<void> {
    const status = statusAfter(this.#hpa.status, this.#reports, formatTime(this.#nowMs));
    try {
      await this.#cluster.updateStatus(HorizontalPodAutoscaler, this.#hpa, status, this.#signal);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#event({ type: 'Warning', reason: 'FailedUpdateStatus', message: error.message });
      throw error;
    }
  }

  async #readScale(): Promise<Target> {
    const { scaleTargetRef } = this.#spec;
    try {
      const path = await scalePathOf(this.#requests, this.#hpa.metadata.namespace, scaleTargetRef);
      const scale = await this.#cluster.client.raw<Scale>('GET', path, undefined, this.#signal);
      this.#report(scaleRead);
      return { path, scale };
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof Error)) throw error;
      this.#report(scaleUnreadable(error.message));
      throw error;
    }
  }

  /** Undefined: the metrics decide. */
  #sizeByBounds(current: number): Size | undefined {
    const bounded = sizeByBounds(this.#spec, current);
    if (!bounded) return undefined;
    const { replicas, reason, active } = bounded;
    if (active) this.#report({ conditions: { ScalingActive: active } });
    return { replicas, reason, statuses: [], isPartial: false };
  }

  async #sizeByMetrics(scale: Scale, current: number): Promise<Size> {
    const context = this.#metricContext(scale, current);
    const computed: ComputedMetric[] = [];
    for (const spec of this.#spec.metrics ?? [])
      computed.push({ spec, outcome: await this.#compute(spec, context) });
    const combined = combineMetrics(computed, current);
    this.#report(metricsCombined(combined, current));
    const { asked, statuses, isPartial } = combined;
    if (!asked) throw new MetricProblem(combined.active.message);
    return { replicas: this.#limit(current, asked.replicas), reason: asked.reason, statuses, isPartial };
  }

  async #compute(spec: MetricSpec, context: MetricContext): Promise<ComputedMetric['outcome']> {
    const compute = () => computeMetric(spec, context);
    try {
      return await measureComputation(this.#cluster, spec.type, context.specReplicas, compute);
    } catch (error) {
      if (error instanceof MetricProblem) return error;
      throw error;
    }
  }

  #metricContext(scale: Scale, current: number): MetricContext {
    const { namespace = '' } = this.#hpa.metadata;
    const selector = scale.status?.selector ?? '';
    if (!selector) throw this.#unfit({ type: 'missing' }, current);
    const parsed = this.#parseSelector(selector, current);
    const pods = [...this.#cluster.informer(Pod).inNamespace(namespace)].filter(({ metadata }) =>
      parsed.matches(metadata.labels ?? {}),
    );
    this.#selectors.set(keyOf(this.#hpa), parsed);
    const sharing = autoscalersOf(pods, namespace, this.#selectors);
    if (sharing.length > 1) throw this.#unfit({ type: 'ambiguous', selector, autoscalers: sharing }, current);
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
  #parseSelector(selector: string, current: number): ParsedLabelSelector {
    try {
      return parseLabelSelector(selector);
    } catch (error) {
      throw this.#unfit({ type: 'invalid', error: (error as Error).message }, current);
    }
  }

  #unfit(problem: SelectorProblem, current: number): MetricProblem {
    this.#report(selectorUnfit(problem, current));
    return new MetricProblem(selectorProblemText(problem));
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
    const limited = limitReplicas(this.#spec, { current, desired, history, nowMs: this.#nowMs });
    const recommendation = { replicas: desired, atMs: this.#nowMs };
    this.#remember({ ...history, recommendations: [...history.recommendations, recommendation] });
    this.#report(sizeLimited(limited));
    return limited.replicas;
  }

  async #rescale({ path, scale }: Target, decision: SizeDecision): Promise<void> {
    const { current, replicas } = decision;
    try {
      await writeScale(this.#requests, path, scale, replicas);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#report(rescaleFailed(decision, error.message));
      throw error;
    }
    this.#report(rescaled(decision));
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

  #report(report: Report): void {
    this.#reports.push(report);
    for (const event of report.events ?? []) this.#event(event);
  }

  #event({ type, reason, message }: ReportedEvent): void {
    this.#cluster.event(targetOf(HorizontalPodAutoscaler, this.#hpa), type, reason, message);
  }
}
