/**
 * The claimed devices of the node's pods: prepared by their drivers before a pod's sandbox is created, passed on to its
 * containers, and unprepared when the last pod that uses a claim has ended.
 */

import { type Pod, ResourceClaim } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { KeyTurns } from '../../base/async/key-turns.ts';
import { timed } from '../../base/async/timed.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { Client } from '../../client/client.ts';
import type { ClaimMetrics, ClaimOperation } from './claim-metrics.ts';
import { type ClaimRecord, type ClaimRecords, claimKey } from './claim-records.ts';
import {
  devicesFor,
  driversOf,
  madeClaims,
  namedClaims,
  requestsOf,
  usesClaim,
  whyNotPrepared,
} from './claim-rules.ts';
import type { ClaimMessage, PrepareAnswer, UnprepareAnswer } from './driver-messages.ts';
import type { DriverPlugin } from './driver-plugin.ts';

export interface DynamicResourcesOptions {
  client: Pick<Client, 'get'>;
  clock: Clock;
  logger: Logger;
  records: ClaimRecords;
  drivers: {
    /** @throws Error when the driver is not registered */
    get(driver: string): Pick<DriverPlugin, 'prepare' | 'unprepare'>;
  };
  /** For metrics. */
  took: ClaimMetrics['took'];
}

/** A claim that a driver is to prepare or unprepare. */
interface Batch {
  driver: string;
  plugin: Pick<DriverPlugin, 'prepare' | 'unprepare'>;
  claims: ClaimMessage[];
}

/** A claim that a container uses. */
export interface ContainerClaim {
  /** The claim's name within the pod; undefined for the claim of its extended resources. */
  entry: string | undefined;
  record: ClaimRecord;
}

export class DynamicResources {
  readonly #options: DynamicResourcesOptions;
  /** A claim may be shared: it must not be unprepared while it is being prepared for another pod. */
  readonly #turns = new KeyTurns();

  constructor(options: DynamicResourcesOptions) {
    this.#options = options;
  }

  /** Whether a driver has yet to be told that the pod has ended. */
  holds(podUid: string): boolean {
    return this.#options.records.holds(podUid);
  }

  /** Whether everything that the pod's containers need is prepared. */
  isPrepared(pod: Pod): boolean {
    if (!hasClaims(pod)) return true;
    const { records } = this.#options;
    return namedClaims(pod).every(({ claimName }) => {
      const record = records.get(keyOf(pod, claimName));
      return record?.podUids.includes(pod.metadata.uid) && hasAllDevices(record);
    });
  }

  /** Prepares all claims of the pod. @throws Error in upstream's words */
  async prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    if (!hasClaims(pod)) return;
    await this.#measured('PrepareResources', () => {
      const keys = namedClaims(pod).map(({ claimName }) => keyOf(pod, claimName));
      return this.#turns.take(keys, () => this.#prepare(pod, signal));
    }).catch((error: unknown) => {
      throw new Error(`prepare dynamic resources: ${messageOf(error)}`, { cause: error });
    });
  }

  /** Unprepares the pod's claims, if it had any. @throws Error in upstream's words */
  async unprepare(podUid: string): Promise<void> {
    if (!this.holds(podUid)) return;
    await this.#measured('UnprepareResources', () => this.#unprepareOf(podUid)).catch((error: unknown) => {
      throw new Error(`unprepare dynamic resources: ${messageOf(error)}`, { cause: error });
    });
  }

  /** Unprepares claims of pods that no longer exist. What a driver refuses now is tried again at the next call. */
  async tidy(isActive: (podUid: string) => boolean): Promise<void> {
    const { records, logger } = this.#options;
    const users = new Set([...records.all()].flatMap(({ podUids }) => podUids));
    for (const podUid of users) {
      if (isActive(podUid)) continue;
      await this.#unprepareOf(podUid).catch((error: unknown) =>
        logger.info('devices of a pod that is gone are not given back yet', { pod: podUid, error }),
      );
    }
  }

  /** The CDI devices that a container is to get. @throws Error when a claim was not prepared */
  cdiDevicesOf(pod: Pod, container: core.Container): string[] {
    const ids = new Set<string>();
    for (const [claimName, requests] of requestsOf(pod, container)) {
      const record = this.#options.records.get(keyOf(pod, claimName));
      if (!record)
        throw new Error(
          `internal error: unable to get claim info for ResourceClaim ${claimName} in namespace ${pod.metadata.namespace}`,
        );
      for (const request of requests)
        for (const [, { cdiDeviceIds }] of devicesFor(record, request))
          for (const id of cdiDeviceIds) ids.add(id);
    }
    return [...ids];
  }

  /** Claims that were prepared, or may have been in part. */
  claimsOf(pod: Pod, container: core.Container): ContainerClaim[] {
    if (!hasClaims(pod)) return [];
    return madeClaims(pod).flatMap((claim) => {
      const record = this.#options.records.get(keyOf(pod, claim.claimName));
      return record && usesClaim(pod, container, claim) ? [{ entry: claim.entry, record }] : [];
    });
  }

  /** Prepared claims, by driver; all of them under `<any>`. */
  inUse(): Map<string, number> {
    const counts = new Map([['<any>', 0]]);
    for (const { isPrepared, devices } of this.#options.records.all())
      if (isPrepared)
        for (const name of ['<any>', ...Object.keys(devices)]) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  async #prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    const { records } = this.#options;
    const checked = await this.#check(pod, signal);
    const due: ClaimRecord[] = [];
    for (const { claim } of checked) {
      const record = this.#take(pod, claim);
      if (!record.isPrepared) due.push(record);
    }
    // Before any driver is called: if the pod goes before its driver has answered, the call is on record.
    await records.save();
    for (const { driver, plugin, claims } of batchesOf(due, (name) => findPlugin(checked, name)))
      this.#note(driver, claims, await answered('NodePrepareResources', plugin.prepare(claims, signal)));
    for (const record of due) record.isPrepared = true;
    await records.save();
  }

  /** Changes nothing: a pod that is refused here can end without its driver. */
  async #check(pod: Pod, signal: AbortSignal) {
    const { client, drivers } = this.#options;
    const { namespace = '' } = pod.metadata;
    const checked: { claim: ResourceClaim; plugins: Map<string, Batch['plugin']> }[] = [];
    for (const { claimName, isMade } of namedClaims(pod)) {
      const claim = await client
        .get(ResourceClaim, { namespace, name: claimName }, signal)
        .catch((error: unknown) => {
          throw new Error(`fetch ResourceClaim ${claimName}: ${messageOf(error)}`, { cause: error });
        });
      const problem = whyNotPrepared(pod, claim, { isMade });
      if (problem) throw new Error(problem);
      checked.push({ claim, plugins: new Map(driversOf(claim).map((name) => [name, drivers.get(name)])) });
    }
    return checked;
  }

  /** Records that the pod uses the claim. */
  #take(pod: Pod, claim: ResourceClaim): ClaimRecord {
    const { records } = this.#options;
    const { namespace = '', name, uid } = claim.metadata;
    const known = records.get(claimKey({ namespace, name }));
    if (known && known.uid !== uid)
      throw new Error(
        `old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`,
      );
    const devices = Object.fromEntries(driversOf(claim).map((driver) => [driver, []]));
    const record = known ?? { namespace, name, uid, podUids: [], devices, isPrepared: false };
    if (!record.podUids.includes(pod.metadata.uid)) record.podUids.push(pod.metadata.uid);
    records.set(record);
    return record;
  }

  #note(driver: string, claims: readonly ClaimMessage[], answer: PrepareAnswer): void {
    checkAnswer('NodePrepareResources', claims, answer);
    for (const claim of claims) {
      const record = this.#options.records.get(claimKey(claim));
      if (record) record.devices[driver] = answer[claim.uid]!.devices;
    }
  }

  async #unprepareOf(podUid: string): Promise<void> {
    const { records } = this.#options;
    const keys = [...records.all()].filter(({ podUids }) => podUids.includes(podUid)).map(claimKey);
    await this.#turns.take(keys, () => this.#unprepare(podUid, keys));
  }

  async #unprepare(podUid: string, keys: readonly string[]): Promise<void> {
    const { records, drivers } = this.#options;
    const own = keys
      .flatMap((key) => records.get(key) ?? [])
      .filter(({ podUids }) => podUids.includes(podUid));
    const due = own.filter(({ podUids }) => podUids.length === 1);
    for (const { plugin, claims } of batchesOf(due, (name) => drivers.get(name))) {
      const answer = await answered('NodeUnprepareResources', plugin.unprepare(claims));
      checkAnswer('NodeUnprepareResources', claims, answer);
    }
    for (const record of own) {
      record.podUids = record.podUids.filter((uid) => uid !== podUid);
      if (record.podUids.length === 0) records.delete(claimKey(record));
    }
    await records.save();
  }

  #measured<T>(operation: ClaimOperation, work: () => Promise<T>): Promise<T> {
    const { clock, took } = this.#options;
    return timed(clock, work, (outcome, seconds) => took(operation, outcome, seconds));
  }
}

/** False for a claim on record that is not prepared: uses are recorded before the drivers are called. */
function hasAllDevices({ isPrepared, devices }: ClaimRecord): boolean {
  return isPrepared || Object.values(devices).every(({ length }) => length > 0);
}

function hasClaims({ spec, status }: Pod): boolean {
  return (spec.resourceClaims?.length ?? 0) > 0 || status?.extendedResourceClaimStatus !== undefined;
}

function keyOf(pod: Pod, name: string): string {
  return claimKey({ namespace: pod.metadata.namespace ?? '', name });
}

function findPlugin(checked: readonly { plugins: Map<string, Batch['plugin']> }[], driver: string) {
  return checked.find(({ plugins }) => plugins.has(driver))!.plugins.get(driver)!;
}

/** One call for each driver. */
function* batchesOf(
  records: readonly ClaimRecord[],
  pluginOf: (driver: string) => Batch['plugin'],
): Iterable<Batch> {
  const drivers = new Set(records.flatMap(({ devices }) => Object.keys(devices)));
  for (const driver of drivers) {
    const claims = records
      .filter(({ devices }) => devices[driver])
      .map(({ namespace, uid, name }) => ({ namespace, uid, name }));
    yield { driver, plugin: pluginOf(driver), claims };
  }
}

function answered<T>(method: string, answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw new Error(`${method}: ${messageOf(error)}`, { cause: error });
  });
}

/** @throws Error in upstream's words when the answer is not about the requested claims, or reports a failure */
function checkAnswer(method: string, claims: readonly ClaimMessage[], answer: UnprepareAnswer): void {
  for (const [uid, { error }] of Object.entries(answer)) {
    const claim = claims.find((each) => each.uid === uid);
    if (!claim) throw new Error(`${method} returned result for unknown claim UID ${uid}`);
    if (error) throw new Error(`${method} failed for ResourceClaim ${claim.name}: ${error}`);
  }
  const skipped = claims.length - Object.keys(answer).length;
  if (skipped !== 0) throw new Error(`${method} skipped ${skipped} ResourceClaims`);
}
