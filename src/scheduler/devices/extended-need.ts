/** The extended resources of a pod that devices could provide: on each node as a claim, unless its plugins have them. */
import type { Draft } from '../../api/meta.ts';
import { extendedClaimAnnotation } from '../../api/resource/extended-resources.ts';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import type { ContainerExtendedResourceRequest } from '../../api/types/core-v1.gen.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { type Rejection, unresolvable } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { isDeviceResource } from '../framework/resources.ts';
import { planExtendedRequests } from './extended-requests.ts';
import type { ResourceClasses } from './resource-classes.ts';

/** What devices are to provide on a node. */
export interface ExtendedClaim {
  /** With a name and uid for as long as the API server has not given it any. */
  claim: ResourceClaim;
  mappings: readonly ContainerExtendedResourceRequest[];
}

const isLeft = unresolvable('cannot schedule extended resource claim');
const unknownResource = unresolvable('cannot fit resource');

export class ExtendedNeed {
  readonly #pod: Pod;
  readonly #uid: string;
  readonly #names: readonly string[];
  readonly #classes: ResourceClasses;
  readonly #claims = new Map<string, ExtendedClaim>();
  /** Made in an attempt that failed: its devices may be on another node, so it is deleted before the next. */
  readonly leftClaim: ResourceClaim | undefined;

  constructor(
    pod: Pod,
    names: readonly string[],
    classes: ResourceClasses,
    { uid, leftClaim }: { uid: string; leftClaim: ResourceClaim | undefined },
  ) {
    this.#pod = pod;
    this.#uid = uid;
    this.#names = names;
    this.#classes = classes;
    this.leftClaim = leftClaim;
  }

  /** Undefined: the node's device plugins have everything. */
  on({ allocatable }: NodeInfo): ExtendedClaim | undefined | Rejection {
    if (this.leftClaim?.spec.devices?.requests?.length) return isLeft;
    const classNames = new Map<string, string>();
    for (const name of this.#names) {
      const ofPlugins = allocatable.scalar?.get(name);
      const deviceClass = ofPlugins ? undefined : this.#classes.of(name);
      if (deviceClass) classNames.set(name, deviceClass.metadata.name);
      else if (ofPlugins === undefined) return unknownResource;
    }
    return classNames.size > 0 ? this.#claimFor(classNames) : undefined;
  }

  #claimFor(classNames: ReadonlyMap<string, string>): ExtendedClaim {
    const key = [...classNames.keys()].sort().join();
    let known = this.#claims.get(key);
    if (!known) {
      const { requests, mappings } = planExtendedRequests(this.#pod, classNames);
      const { metadata, ...rest } = draftClaim(this.#pod, requests);
      const claim = { ...rest, metadata: { ...metadata, name: '<extended-resources>', uid: this.#uid } };
      known = { claim: claim as ResourceClaim, mappings };
      this.#claims.set(key, known);
    }
    return known;
  }
}

/** The extended resources that the pod wants; amounts do not matter here: each container has its own. */
export function extendedResourcesOf({ requests }: PodInfo): string[] {
  return [...(requests.scalar ?? [])].flatMap(([name, amount]) =>
    amount > 0 && isDeviceResource(name) ? [name] : [],
  );
}

/** The claim as it is created. */
export function draftOf({ metadata, spec }: ResourceClaim): Draft<ResourceClaim> {
  const { name: _, uid: __, ...rest } = metadata;
  return { metadata: rest, spec };
}

function draftClaim(
  { metadata: { name, namespace = '', uid } }: Pod,
  requests: NonNullable<ResourceClaim['spec']['devices']>['requests'],
): Draft<ResourceClaim> {
  return {
    metadata: {
      generateName: `${name}-extended-resources-`,
      namespace,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }],
      annotations: { [extendedClaimAnnotation]: 'true' },
    },
    spec: { devices: { ...(requests && { requests }) } },
  };
}
