/** Adjusts the number of replicas so that the metrics of the pods meet their targets. */
import { isDeepStrictEqual } from 'node:util';
import { apiVersionOf, keyOf, parseApiVersion } from '../../api/meta.ts';
import { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { type ParsedLabelSelector, parseLabelSelector } from '../../api/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type { HorizontalPodAutoscalerCondition, MetricStatus } from '../../api/types/autoscaling-v2.gen.ts';
import type { APIGroup, APIResourceList } from '../../api/types/meta-v1.gen.ts';
import { type AnyController, defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { limitReplicas, periodMsOf, type ScalingHistory, tolerancesOf, windowMsOf } from './hpa-behavior.ts';
import { computeMetric, failureReasons, type MetricContext } from './hpa-metrics.ts';
import { problemOf } from './hpa-metrics-client.ts';
import { followAutoscalers, measureComputation, measureReconciliation, SpecProblem } from './hpa-monitor.ts';
import { MetricProblem } from './hpa-replicas.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;
type Status = NonNullable<HorizontalPodAutoscaler['status']>;

/** State is kept per uid: an autoscaler created later under the same name starts without it. */
type Histories = Map<string, ScalingHistory & { uid: string }>;

/** By key, what selects the pods of each autoscaler's target. */
type Selectors = Map<string, ReturnType<typeof parseLabelSelector>>;

/** The interval between two evaluations of an autoscaler, and from its creation to the first. */
const syncMs = 15_000;
/** Retries of a resize that lost to another client's write. */
const rescaleTriesMax = 5;

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

/** One evaluation of one autoscaler. */
class Sync {
  readonly #hpa: HorizontalPodAutoscaler;
  readonly #spec: Spec;
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #histories: Histories;
  readonly #selectors: Selectors;
  readonly #nowMs: number;
  readonly #conditions: HorizontalPodAutoscalerCondition[];
  #status: Status;

  constructor({ hpa, cluster, signal, histories, selectors }: SyncOptions) {
    this.#hpa = hpa;
    this.#spec = hpa.spec!;
    this.#cluster = cluster;
    this.#signal = signal;
    this.#histories = histories;
    this.#selectors = selectors;
    this.#nowMs = cluster.clock.now();
    this.#conditions = (hpa.status?.conditions ?? []).map((condition) => ({ ...condition }));
    this.#status = {
      ...hpa.status,
      currentReplicas: hpa.status?.currentReplicas ?? 0,
      desiredReplicas: hpa.status?.desiredReplicas ?? 0,
    };
  }

  /** Returns the previous and the desired number of replicas, and whether a metric was missing for it. */
  async run(): Promise<{ from: number; to: number; isPartial: boolean }> {
    const { path, scale } = await this.#readScale();
    const current = scale.spec?.replicas ?? 0;
    const { minReplicas = 1, maxReplicas } = this.#spec;
    this.#seed(current);
    let desired = current;
    let reason = '';
    let metrics: MetricStatus[] = [];
    let isPartial = false;
    if (current === 0 && minReplicas !== 0) {
      this.#setCondition(
        'ScalingActive',
        'False',
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      );
      desired = 0;
    } else if (current > maxReplicas) {
      desired = maxReplicas;
      reason = 'Current number of replicas above Spec.MaxReplicas';
    } else if (current < minReplicas) {
      desired = minReplicas;
      reason = 'Current number of replicas below Spec.MinReplicas';
    } else {
      const answer = await this.#askMetrics(scale, current);
      metrics = answer.statuses;
      isPartial = answer.isPartial;
      // The metrics' own reason: when a limit alone moves the target, upstream names none.
      if (answer.replicas > current) reason = `${answer.name} above target`;
      if (answer.replicas < current) reason = 'All metrics below target';
      desired = this.#limit(current, answer.replicas);
    }
    if (desired !== current) await this.#rescale({ path, scale }, { current, desired, reason, metrics });
    this.#status = {
      ...this.#status,
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: metrics,
      ...(desired !== current && { lastScaleTime: formatTime(this.#nowMs) }),
    };
    return { from: current, to: desired, isPartial };
  }

  async writeStatus(): Promise<void> {
    const status = { ...this.#status, conditions: this.#conditions };
    try {
      await this.#cluster.updateStatus(HorizontalPodAutoscaler, this.#hpa, status, this.#signal);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#event('Warning', 'FailedUpdateStatus', error.message);
      throw error;
    }
  }

  async #readScale(): Promise<{ path: string; scale: Scale }> {
    try {
      const path = await this.#scalePath();
      const scale = await this.#cluster.client.raw<Scale>('GET', path, undefined, this.#signal);
      const message = "the HPA controller was able to get the target's current scale";
      this.#setCondition('AbleToScale', 'True', 'SucceededGetScale', message);
      return { path, scale };
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof Error)) throw error;
      this.#event('Warning', 'FailedGetScale', error.message);
      const message = `the HPA controller was unable to get the target's current scale: ${error.message}`;
      this.#setCondition('AbleToScale', 'False', 'FailedGetScale', message);
      throw error;
    }
  }

  async #scalePath(): Promise<string> {
    const { apiVersion = 'v1', kind, name } = this.#spec.scaleTargetRef;
    const { namespace } = this.#hpa.metadata;
    // Those that were stored before validation looked at it.
    if (apiVersion.split('/').length > 2)
      throw new SpecProblem(`unexpected GroupVersion string: ${apiVersion}`);
    const { root, plural } = await this.#resourceOf(apiVersion, kind);
    return `${root}/namespaces/${namespace}/${plural}/${name}/scale`;
  }

  /** The version that is named is only the first to be tried: a kind is found in whichever its group serves. */
  async #resourceOf(apiVersion: string, kind: string): Promise<{ root: string; plural: string }> {
    const { group, version: named } = parseApiVersion(apiVersion);
    const lookIn = async (version: string) => {
      const root = rootOf({ group, version });
      const list = await this.#discover<APIResourceList>(root);
      const plural = list && pluralOf(list, kind);
      return plural === undefined ? undefined : { root, plural };
    };
    const found = await lookIn(named);
    if (found) return found;
    const served = group === '' ? undefined : await this.#discover<APIGroup>(`/apis/${group}`);
    for (const { version } of served?.versions ?? []) {
      const other = version === named ? undefined : await lookIn(version);
      if (other) return other;
    }
    throw new Error(`no matches for kind "${kind}" in group "${group}"`);
  }

  /** Undefined: it is not served. */
  async #discover<Answer>(path: string): Promise<Answer | undefined> {
    try {
      return await this.#cluster.client.raw<Answer>('GET', path, undefined, this.#signal);
    } catch (error) {
      if (error instanceof StatusError && error.code === 404) return undefined;
      throw error;
    }
  }

  async #askMetrics(
    scale: Scale,
    current: number,
  ): Promise<{ replicas: number; name: string; statuses: MetricStatus[]; isPartial: boolean }> {
    const context = this.#contextOrTell(scale, current);
    const specs = this.#spec.metrics ?? [];
    const statuses: MetricStatus[] = [];
    let best: { replicas: number; name: string } | undefined;
    let firstFailure: { reason: string; error: MetricProblem } | undefined;
    let failures = 0;
    for (const spec of specs) {
      try {
        const { replicas, name, status } = await measureComputation(this.#cluster, spec.type, current, () =>
          computeMetric(spec, context),
        );
        statuses.push(status);
        // Of metrics that ask for none, upstream names the last.
        if (!best || best.replicas === 0 || replicas > best.replicas) best = { replicas, name };
      } catch (error) {
        if (!(error instanceof MetricProblem)) throw error;
        const reason = failureReasons[spec.type] ?? 'InvalidMetricSourceType';
        this.#event('Warning', reason, error.message);
        firstFailure ??= { reason, error };
        failures++;
        // Upstream keeps the place of a metric of unknown type.
        statuses.push({ type: '' });
      }
    }
    // A missing metric might have asked for more: while one is missing, nothing is scaled down.
    if (!best || (firstFailure && best.replicas < current)) {
      const { reason, error } = firstFailure ?? noMetrics;
      this.#setCondition(
        'ScalingActive',
        'False',
        reason,
        `the HPA was unable to compute the replica count: ${error.message}`,
      );
      const problem = `invalid metrics (${failures} invalid out of ${specs.length}), first error is: ${error.summary}`;
      this.#event('Warning', 'FailedComputeMetricsReplicas', problem);
      this.#status = { ...this.#status, currentReplicas: current };
      throw new MetricProblem(problem);
    }
    const message = `the HPA was able to successfully calculate a replica count from ${best.name}`;
    this.#setCondition('ScalingActive', 'True', 'ValidMetricFound', message);
    return { ...best, statuses, isPartial: failures > 0 };
  }

  #contextOrTell(scale: Scale, current: number): MetricContext {
    try {
      return this.#metricContext(scale, current);
    } catch (error) {
      this.#event('Warning', 'FailedComputeMetricsReplicas', (error as Error).message);
      this.#status = { ...this.#status, currentReplicas: current, currentMetrics: [] };
      throw error;
    }
  }

  #metricContext(scale: Scale, current: number): MetricContext {
    const { namespace = '' } = this.#hpa.metadata;
    const selector = scale.status?.selector ?? '';
    if (!selector) {
      this.#event('Warning', 'SelectorRequired', 'selector is required');
      this.#setCondition(
        'ScalingActive',
        'False',
        'InvalidSelector',
        "the HPA target's scale is missing a selector",
      );
      throw new MetricProblem('selector is required');
    }
    const parsed = this.#parseSelector(selector);
    const pods = [...this.#cluster.informer(Pod).inNamespace(namespace)].filter(({ metadata }) =>
      parsed.matches(metadata.labels ?? {}),
    );
    this.#selectors.set(keyOf(this.#hpa), parsed);
    this.#refuseShared(selector, pods);
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
      this.#event('Warning', 'InvalidSelector', message);
      this.#setCondition('ScalingActive', 'False', 'InvalidSelector', message);
      throw new MetricProblem(message);
    }
  }

  /** An unknown kind is a problem of that metric only: the others still count. */
  async #metricResourceOf({
    kind,
    apiVersion = 'v1',
  }: {
    kind: string;
    apiVersion?: string;
  }): Promise<string> {
    const { group } = parseApiVersion(apiVersion);
    try {
      const { plural } = await this.#resourceOf(apiVersion, kind);
      return group ? `${plural}.${group}` : plural;
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof Error)) throw error;
      const named = group ? `${kind}.${group}` : kind;
      throw problemOf('custom', new Error(`unable to map kind ${named} to resource: ${error.message}`));
    }
  }

  /** Two autoscalers of the same pods would undo each other's work, so neither scales. */
  #refuseShared(selector: string, pods: readonly Pod[]): void {
    const { namespace = '' } = this.#hpa.metadata;
    const names: string[] = [];
    for (const [key, other] of this.#selectors) {
      const [otherNamespace, name] = key.split('/');
      if (otherNamespace !== namespace) continue;
      if (pods.some(({ metadata }) => other.matches(metadata.labels ?? {}))) names.push(name!);
    }
    if (names.length < 2) return;
    const list = names.sort().map((name) => `${namespace}/${name}`);
    const message = `pods by selector ${selector} are controlled by multiple HPAs: [${list.join(' ')}]`;
    this.#event('Warning', 'AmbiguousSelector', message);
    this.#setCondition('ScalingActive', 'False', 'AmbiguousSelector', message);
    throw new MetricProblem(message);
  }

  #limit(current: number, asked: number): number {
    const history = this.#history();
    const request = { current, desired: asked, history, nowMs: this.#nowMs };
    const { replicas, ableToScale, scalingLimited } = limitReplicas(this.#spec, request);
    this.#remember({ recommendations: [...history.recommendations, { replicas: asked, atMs: this.#nowMs }] });
    this.#setCondition('AbleToScale', ableToScale.status, ableToScale.reason, ableToScale.message);
    this.#setCondition(
      'ScalingLimited',
      scalingLimited.status,
      scalingLimited.reason,
      scalingLimited.message,
    );
    return replicas;
  }

  async #rescale(
    { path, scale }: { path: string; scale: Scale },
    {
      current,
      desired,
      reason,
      metrics,
    }: { current: number; desired: number; reason: string; metrics: MetricStatus[] },
  ): Promise<void> {
    try {
      await this.#writeScale(path, scale, desired);
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof StatusError)) throw error;
      this.#event(
        'Warning',
        'FailedRescale',
        `New size: ${desired}; reason: ${reason}; error: ${error.message}`,
      );
      this.#setCondition(
        'AbleToScale',
        'False',
        'FailedUpdateScale',
        `the HPA controller was unable to update the target scale: ${error.message}`,
      );
      this.#status = { ...this.#status, currentReplicas: current, currentMetrics: metrics };
      throw error;
    }
    this.#setCondition(
      'AbleToScale',
      'True',
      'SucceededRescale',
      `the HPA controller was able to update the target scale to ${desired}`,
    );
    this.#event('Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${reason}`);
    const event = { change: Math.abs(desired - current), atMs: this.#nowMs };
    const { ups, downs } = this.#history();
    this.#remember(desired > current ? { ups: [...ups, event] } : { downs: [...downs, event] });
  }

  async #writeScale(path: string, scale: Scale, replicas: number): Promise<void> {
    let newest = scale;
    for (let tries = 1; ; tries++) {
      try {
        const wanted = { ...newest, spec: { ...newest.spec, replicas } };
        await this.#cluster.client.raw('PUT', path, wanted, this.#signal);
        return;
      } catch (error) {
        if (!(error instanceof StatusError) || error.code !== 409 || tries === rescaleTriesMax) throw error;
        newest = await this.#cluster.client.raw<Scale>('GET', path, undefined, this.#signal);
      }
    }
  }

  #history(): ScalingHistory {
    const known = this.#histories.get(keyOf(this.#hpa));
    return known?.uid === this.#hpa.metadata.uid ? known : { recommendations: [], ups: [], downs: [] };
  }

  /** The first recommendation is the present size. */
  #seed(current: number): void {
    if (this.#histories.get(keyOf(this.#hpa))?.uid === this.#hpa.metadata.uid) return;
    this.#remember({ recommendations: [{ replicas: current, atMs: this.#nowMs }] });
  }

  /** Keeps what the windows and periods still cover. */
  #remember(change: Partial<ScalingHistory>): void {
    const { recommendations, ups, downs } = { ...this.#history(), ...change };
    const since = (windowMs: number) => (entry: { atMs: number }) => entry.atMs > this.#nowMs - windowMs;
    const periodMs = periodMsOf(this.#spec);
    this.#histories.set(keyOf(this.#hpa), {
      uid: this.#hpa.metadata.uid,
      recommendations: recommendations.filter(since(windowMsOf(this.#spec))),
      ups: ups.filter(since(periodMs)),
      downs: downs.filter(since(periodMs)),
    });
  }

  /** Sets a condition; its transition time changes only with its status. */
  #setCondition(type: string, status: 'True' | 'False', reason: string, message: string): void {
    const known = this.#conditions.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime! : formatTime(this.#nowMs);
    const condition = { type, status, lastTransitionTime, reason, message };
    if (known) Object.assign(known, condition);
    else this.#conditions.push(condition);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(HorizontalPodAutoscaler, this.#hpa), type, reason, message);
  }
}

/** The API server adds a default metric to every autoscaler; one without any has bypassed the defaults. */
const noMetrics = { reason: 'InvalidMetricSourceType', error: new MetricProblem('no metrics') };

function rootOf({ group, version }: { group: string; version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${apiVersionOf({ group, version })}`;
}

/** Of several resources of one kind, the one that can be scaled. */
function pluralOf({ resources }: APIResourceList, kind: string): string | undefined {
  const names = new Set(resources.map(({ name }) => name));
  const ofKind = resources.filter(({ kind: served, name }) => served === kind && !name.includes('/'));
  return (ofKind.find(({ name }) => names.has(`${name}/scale`)) ?? ofKind[0])?.name;
}
