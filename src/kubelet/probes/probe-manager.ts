/** Runs the probes of the containers on the node and keeps what they found. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { ProbeFindings } from '../pod/pod-actions.ts';
import { containerEvents } from '../pod/pod-events.ts';
import type { ProbeDialer } from './dialer.ts';
import type { ProbeMetrics, ProbeResult } from './probe-metrics.ts';
import { type ProbeOutcome, runProbe } from './probe-run.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

export interface ProbeManagerOptions {
  runtime: ContainerRuntime;
  dialer: ProbeDialer;
  clock: Clock;
  recorder: EventRecorder;
  metrics?: ProbeMetrics;
  /** A finding about one of the pod's containers changed. */
  changed(podUid: string): void;
}

interface Probing {
  kind: ProbeKind;
  spec: core.Probe;
  finding: 'success' | 'failure' | undefined;
  /** Consecutive equal results. */
  streak: number;
  last: 'success' | 'failure' | undefined;
  timer: Timer | undefined;
  running: boolean;
}

interface Watched {
  pod: Pod;
  container: core.Container;
  containerId: string;
  startedAtMs: number;
  podIp: string;
  probes: Map<ProbeKind, Probing>;
  stopped: boolean;
}

const kinds: readonly (readonly [ProbeKind, (container: core.Container) => core.Probe | undefined])[] = [
  ['startup', (container) => container.startupProbe],
  ['readiness', (container) => container.readinessProbe],
  ['liveness', (container) => container.livenessProbe],
];

/** As in metrics. */
const resultNames = {
  success: 'successful',
  warning: 'successful',
  failure: 'failed',
  error: 'unknown',
} as const satisfies Record<ProbeOutcome['result'], ProbeResult>;

/** `Liveness`, `Readiness`, `Startup`: as events and metrics name it. */
function nameOf({ kind }: Probing): string {
  return kind[0]!.toUpperCase() + kind.slice(1);
}

export class ProbeManager {
  readonly #options: ProbeManagerOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ProbeManagerOptions) {
    this.#options = options;
  }

  /** Ensures that exactly these running containers of the pod are probed. */
  sync(
    pod: Pod,
    podIp: string,
    running: readonly { container: core.Container; id: string; startedAtMs: number }[],
  ): void {
    const wanted = new Set<string>();
    for (const { container, id, startedAtMs } of running) {
      wanted.add(id);
      const held = this.#watched.get(id);
      if (held) {
        held.pod = pod;
        held.podIp = podIp;
        continue;
      }
      const probes = new Map<ProbeKind, Probing>();
      for (const [kind, specOf] of kinds) {
        const spec = specOf(container);
        if (spec)
          probes.set(kind, {
            kind,
            spec,
            finding: undefined,
            streak: 0,
            last: undefined,
            timer: undefined,
            running: false,
          });
      }
      if (probes.size === 0) continue;
      const watched = { pod, container, containerId: id, startedAtMs, podIp, probes, stopped: false };
      this.#watched.set(id, watched);
      this.#start(watched);
    }
    for (const [id, watched] of this.#watched) {
      if (watched.pod.metadata.uid === pod.metadata.uid && !wanted.has(id)) this.#stop(watched);
    }
  }

  /** In a pod that is being terminated only readiness is probed. */
  stopRestartingProbes(podUid: string): void {
    for (const watched of this.#watched.values()) {
      if (watched.pod.metadata.uid !== podUid) continue;
      for (const kind of ['startup', 'liveness'] as const) {
        watched.probes.get(kind)?.timer?.cancel();
        watched.probes.delete(kind);
      }
    }
  }

  stopPod(podUid: string): void {
    for (const watched of this.#watched.values())
      if (watched.pod.metadata.uid === podUid) this.#stop(watched);
    this.#options.metrics?.forget(podUid);
  }

  findings(containerId: string): ProbeFindings {
    const probes = this.#watched.get(containerId)?.probes;
    const { finding: startup } = probes?.get('startup') ?? {};
    const { finding: liveness } = probes?.get('liveness') ?? {};
    return { ...(startup && { startup }), ...(liveness && { liveness }) };
  }

  isStarted(container: core.Container, containerId: string): boolean {
    if (!container.startupProbe) return true;
    return this.#watched.get(containerId)?.probes.get('startup')?.finding === 'success';
  }

  isReady(container: core.Container, containerId: string): boolean {
    if (!container.readinessProbe) return true;
    return this.#watched.get(containerId)?.probes.get('readiness')?.finding === 'success';
  }

  /** Takes over the reported state of an adopted container, so that a restart of the agent makes nothing unready. */
  adopt(containerId: string, known: { started: boolean; ready: boolean }): void {
    const watched = this.#watched.get(containerId);
    if (!watched) return;
    const startup = watched.probes.get('startup');
    const readiness = watched.probes.get('readiness');
    if (startup && known.started) startup.finding = 'success';
    if (readiness && known.ready) readiness.finding = 'success';
  }

  close(): void {
    for (const watched of this.#watched.values()) this.#stop(watched);
  }

  #start(watched: Watched): void {
    for (const probing of watched.probes.values()) {
      this.#schedule(watched, probing, this.#firstDelayMs(watched, probing));
    }
  }

  /** Counted from the container's start; however the clock jumps, never longer than the delay itself. */
  #firstDelayMs(watched: Watched, probing: Probing): number {
    const delayMs = (probing.spec.initialDelaySeconds ?? 0) * 1000;
    return Math.min(delayMs, Math.max(0, watched.startedAtMs + delayMs - this.#options.clock.now()));
  }

  #stop(watched: Watched): void {
    watched.stopped = true;
    for (const probing of watched.probes.values()) probing.timer?.cancel();
    this.#watched.delete(watched.containerId);
  }

  #schedule(watched: Watched, probing: Probing, delayMs: number): void {
    probing.timer?.cancel();
    probing.timer = this.#options.clock.after(delayMs, () => void this.#run(watched, probing));
  }

  async #run(watched: Watched, probing: Probing): Promise<void> {
    if (watched.stopped || probing.running) return;
    const periodMs = (probing.spec.periodSeconds ?? 10) * 1000;
    const started = watched.probes.get('startup')?.finding;
    const hasStarted = !watched.probes.has('startup') || started === 'success';
    // The other probes wait for the startup probe, which is finished once it has succeeded.
    if ((probing.kind === 'startup') === hasStarted) {
      if (probing.kind !== 'startup') this.#schedule(watched, probing, periodMs);
      return;
    }
    probing.running = true;
    const beganMs = this.#options.clock.monotonic();
    const { runtime, dialer } = this.#options;
    // No probe, however odd its spec, may bring down the node's agent.
    const outcome = await runProbe(probing.spec, watched, runtime, dialer).catch(
      (error: unknown): ProbeOutcome => ({ result: 'error', output: messageOf(error) }),
    );
    probing.running = false;
    // Removed meanwhile: the container is gone, or its pod is ending and must not be restarted.
    if (watched.stopped || watched.probes.get(probing.kind) !== probing) return;
    const tookMs = this.#options.clock.monotonic() - beganMs;
    this.#options.metrics?.done(nameOf(probing), watched, resultNames[outcome.result], tookMs / 1000);
    this.#take(watched, probing, outcome);
    if (isDecided(probing)) return;
    this.#schedule(watched, probing, Math.max(0, periodMs - tookMs));
  }

  #take(watched: Watched, probing: Probing, outcome: ProbeOutcome): void {
    this.#report(watched, probing, outcome);
    if (outcome.result === 'error') return;
    const result = outcome.result === 'failure' ? 'failure' : 'success';
    probing.streak = probing.last === result ? probing.streak + 1 : 1;
    probing.last = result;
    const threshold =
      result === 'failure' ? (probing.spec.failureThreshold ?? 3) : (probing.spec.successThreshold ?? 1);
    if (probing.streak < threshold || probing.finding === result) return;
    probing.finding = result;
    if (probing.kind === 'startup' && result === 'success') this.#startOthers(watched);
    this.#options.changed(watched.pod.metadata.uid);
  }

  #startOthers(watched: Watched): void {
    for (const probing of watched.probes.values()) {
      if (probing.kind === 'startup') continue;
      this.#schedule(watched, probing, this.#firstDelayMs(watched, probing));
    }
  }

  #report(watched: Watched, probing: Probing, outcome: ProbeOutcome): void {
    const { result, output } = outcome;
    if (result === 'success') return;
    const name = nameOf(probing);
    const { pod, container } = watched;
    const events = containerEvents(this.#options.recorder, pod, container);
    if (result === 'failure') events.warning('Unhealthy', `${name} probe failed: ${output}`);
    else if (result === 'error') {
      const state = outcome.began ? 'failure' : 'unknown';
      events.warning('Unhealthy', `${name} probe errored and resulted in ${state} state: ${output}`);
    } else events.warning('ProbeWarning', `${name} probe warning: ${output}`);
  }
}

/** A started container remains started, and one that failed the probe is ended: it is not probed again. */
function isDecided({ kind, finding }: Probing): boolean {
  return kind === 'startup' ? finding !== undefined : kind === 'liveness' && finding === 'failure';
}
