/** Carries out what was decided about the claims of a pod, and waits until its devices are ready. */
import { Pod, type ResourceClaim } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import type { AllocationResult } from '../../api/types/resource-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { type EventRecorder, targetOf } from '../../client/events/event-recorder.ts';
import type { Allocations } from './allocations.ts';
import { devicesToPrepare, hasConditions } from './binding-conditions.ts';
import {
  createExtendedClaim,
  deleteClaim,
  releaseClaim,
  reportExtendedClaim,
  reserveClaim,
} from './claim-writes.ts';
import type { DeviceMetrics, WaitOutcome } from './device-metrics.ts';
import type { ExtendedClaim } from './extended-need.ts';
import { NotReadyError, type ReadinessWaiter } from './readiness-waiter.ts';

/** A claim that is still to be created, and its devices. */
export interface ExtendedChoice {
  made: ExtendedClaim;
  allocation: AllocationResult;
}

export interface PodDevices {
  pod: Pod;
  nodeName: string;
  /** That the pod names. */
  claims: readonly ResourceClaim[];
  extended: ExtendedChoice | undefined;
}

export interface ClaimBinderOptions {
  client: Client;
  clock: Clock;
  recorder: EventRecorder;
  allocations: Allocations;
  waiter: ReadinessWaiter;
  metrics: DeviceMetrics;
}

type Undo = (() => Promise<void>)[];

export class ClaimBinder {
  readonly #options: ClaimBinderOptions;

  constructor(options: ClaimBinderOptions) {
    this.#options = options;
  }

  /** Undoes what was done before a failure. What cannot be undone now, the pod's next attempt finds. */
  async bind(devices: PodDevices, signal: AbortSignal): Promise<void> {
    const undo: Undo = [];
    try {
      const written = await this.#write(devices, undo, signal);
      if (written.some(hasConditions)) await this.#wait(devices, written, signal);
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => undefined);
      throw error;
    }
  }

  async #write({ pod, claims, extended }: PodDevices, undo: Undo, signal: AbortSignal) {
    const { client, allocations } = this.#options;
    const written: ResourceClaim[] = [];
    for (const claim of claims) {
      const allocation = this.#timed(allocations.of(claim));
      written.push(await reserveClaim(client, { claim, allocation, pod }, signal));
      undo.push(() => releaseClaim(client, claim, pod, signal));
    }
    if (!extended) return written;
    const claim = await this.#create(extended, signal);
    undo.push(() => deleteClaim(client, claim, signal));
    const allocation = this.#timed(extended.allocation);
    written.push(await reserveClaim(client, { claim, allocation, pod }, signal));
    await reportExtendedClaim(client, pod, extended.made, signal);
    return written;
  }

  /** Drivers that prepare a device only now are given time from here on. */
  #timed(allocation: AllocationResult | undefined): AllocationResult | undefined {
    return allocation && { allocationTimestamp: formatTime(this.#options.clock.now()), ...allocation };
  }

  async #create(extended: ExtendedChoice, signal: AbortSignal): Promise<ResourceClaim> {
    const { client, allocations, metrics } = this.#options;
    const claim = await createExtendedClaim(client, extended.made, signal).catch((error: unknown) => {
      metrics.claimCreated('failure');
      throw error;
    });
    metrics.claimCreated('success');
    // From now on the decision is about the claim that exists, until its status shows it.
    allocations.decide(claim, extended.allocation);
    allocations.withdraw(extended.made.claim);
    extended.made = { ...extended.made, claim };
    return claim;
  }

  async #wait(
    { pod, nodeName }: PodDevices,
    claims: readonly ResourceClaim[],
    signal: AbortSignal,
  ): Promise<void> {
    const { recorder, waiter, clock, metrics } = this.#options;
    const profile = pod.spec?.schedulerName ?? '';
    const startedMs = clock.monotonic();
    const count = (status: WaitOutcome['status']) =>
      metrics.waited({
        profile,
        status,
        drivers: claims.flatMap((claim) => claim.status?.allocation?.devices?.results ?? []).map(driverOf),
        preparing: claims.flatMap(devicesToPrepare).map(driverOf),
        seconds: (clock.monotonic() - startedMs) / 1_000,
      });
    const note = `waiting for binding conditions for device on node ${nodeName}`;
    recorder.for(profile).event(targetOf(Pod, pod), 'Normal', 'BindingConditionsPending', note);
    try {
      await waiter.untilReady(claims, signal);
    } catch (error) {
      count(error instanceof NotReadyError ? error.status : 'error');
      throw error;
    }
    count('success');
  }
}

function driverOf({ driver }: { driver: string }): string {
  return driver;
}
