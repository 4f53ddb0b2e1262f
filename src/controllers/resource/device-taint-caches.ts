/** What the informers know about devices, their taints and the pods that use them, by indexes. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { DeviceTaintRule, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { TaintedWorld } from './device-taint-plan.ts';

/** An InformerFactory, or what a reconcile sees of one. */
export type InformerOf = <T extends KubeObject>(type: ResourceType<T>) => Informer<T>;

const poolIndex = 'device-pool';
// A driver's name has no slash.
const poolKey = (driver: string, pool: string) => `${driver}/${pool}`;
const poolOfSlice = ({ spec }: ResourceSlice) => [poolKey(spec.driver, spec.pool.name)];
const poolsOfClaim = ({ status }: ResourceClaim) => [
  ...new Set(status?.allocation?.devices?.results?.map(({ driver, pool }) => poolKey(driver, pool))),
];

export function taintedWorld(informerOf: InformerOf): TaintedWorld {
  const slices = informerOf(ResourceSlice);
  slices.addIndex(poolIndex, poolOfSlice);
  return {
    claim: (key) => informerOf(ResourceClaim).get(key),
    slicesOf: (driver, pool) => slices.byIndex(poolIndex, poolKey(driver, pool)),
    rules: [...informerOf(DeviceTaintRule).list()],
  };
}

/** Claims that were given devices of the slice's pool. */
export function claimsOfPool(informerOf: InformerOf, { spec }: ResourceSlice): Iterable<ResourceClaim> {
  const claims = informerOf(ResourceClaim);
  claims.addIndex(poolIndex, poolsOfClaim);
  return claims.byIndex(poolIndex, poolKey(spec.driver, spec.pool.name));
}

/** Keys of the pods that a claim is reserved for. */
export function usersOf({ metadata, status }: ResourceClaim): string[] {
  return (status?.reservedFor ?? [])
    .filter(({ apiGroup, resource }) => !apiGroup && resource === 'pods')
    .map(({ name }) => `${metadata.namespace}/${name}`);
}
