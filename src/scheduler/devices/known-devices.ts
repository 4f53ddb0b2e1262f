/** Claims, classes and devices as the informers show them, with the allocations that were decided since. */
import { isExtendedClaim } from '../../api/resource/extended-resources.ts';
import { isMadeFor, podClaims } from '../../api/resource/pod-claims.ts';
import {
  DeviceClass,
  DeviceTaintRule,
  type Pod,
  ResourceClaim,
  ResourceSlice,
} from '../../api/resources.gen.ts';
import type { Random } from '../../base/random.ts';
import type { Informer, InformerFactory } from '../../client/informers/informer.ts';
import { type Rejection, unresolvable } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { Allocations } from './allocations.ts';
import { type DeviceWorld, devicesInUse } from './device-allocation.ts';
import { DeviceOffer } from './device-pools.ts';
import { ExtendedNeed, extendedResourcesOf } from './extended-need.ts';
import { ResourceClasses } from './resource-classes.ts';
import { sharesInUse } from './shared-capacity.ts';

export class KnownDevices {
  readonly claims: Informer<ResourceClaim>;
  readonly #slices: Informer<ResourceSlice>;
  readonly #classes: Informer<DeviceClass>;
  readonly #taintRules: Informer<DeviceTaintRule>;
  readonly byResource: ResourceClasses;
  readonly #random: Random;
  readonly allocations: Allocations;

  constructor(informers: InformerFactory, random: Random) {
    this.#random = random;
    this.claims = informers.of(ResourceClaim);
    this.#slices = informers.of(ResourceSlice);
    this.#classes = informers.of(DeviceClass);
    this.#taintRules = informers.of(DeviceTaintRule);
    this.byResource = new ResourceClasses(this.#classes);
    this.allocations = new Allocations(this.claims);
  }

  /** The claims that a pod names, or why it cannot be scheduled yet. */
  claimsOf(pod: Pod): ResourceClaim[] | Rejection {
    const { namespace, name: podName } = pod.metadata;
    const found: ResourceClaim[] = [];
    for (const { claimName, isMade } of podClaims(pod)) {
      if (claimName === undefined)
        return unresolvable(`pod "${namespace}/${podName}": ResourceClaim not created yet`);
      if (claimName === '') continue;
      const claim = this.claims.get(`${namespace}/${claimName}`);
      if (!claim) return unresolvable(`resourceclaim.resource.k8s.io "${claimName}" not found`);
      if (claim.metadata.deletionTimestamp)
        return unresolvable(`resourceclaim "${claimName}" is being deleted`);
      if (isMade && !isMadeFor(claim, pod))
        return unresolvable(
          `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${podName} (pod is not owner)`,
        );
      found.push(claim);
    }
    return found;
  }

  /** Of extended resources; undefined: none that a class provides. */
  extendedNeedOf(info: PodInfo): ExtendedNeed | undefined {
    const names = extendedResourcesOf(info);
    if (!names.some((name) => this.byResource.of(name))) return undefined;
    const found = { uid: this.#random.uuid(), leftClaim: this.#extendedClaimOf(info) };
    return new ExtendedNeed(info.pod, names, this.byResource, found);
  }

  #extendedClaimOf({ pod, namespace }: PodInfo): ResourceClaim | undefined {
    for (const claim of this.claims.inNamespace(namespace))
      if (isExtendedClaim(claim) && isMadeFor(claim, pod)) return claim;
    return undefined;
  }

  hasClass(name: string): boolean {
    return this.#classes.get(name) !== undefined;
  }

  world(): DeviceWorld {
    return {
      offer: new DeviceOffer(this.#slices.list(), [...this.#taintRules.list()]),
      inUse: devicesInUse(this.allocations.all()),
      shares: sharesInUse(this.allocations.all()),
      newShareId: () => this.#random.uuid(),
      classOf: (name) => this.#classes.get(name),
    };
  }
}
