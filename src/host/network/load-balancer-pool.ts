/** Addresses for services of type LoadBalancer on the link of a cluster's nodes: its upper half, or a part that was chosen. */
import type { ClusterRecord } from '../cluster/cluster-record.ts';
import { Failure } from '../failure.ts';
import { isCandidateSubnet, loadBalancerIndexMin } from './link.ts';

/** Both ends belong to it. */
export interface LoadBalancerPool {
  first: string;
  last: string;
}

const indexMax = 254;

/** Undefined without real nodes. */
export function loadBalancerPoolOf(record: ClusterRecord): LoadBalancerPool | undefined {
  return record.loadBalancerPool ?? (record.subnet ? upperHalf(record.subnet) : undefined);
}

/** The first three bytes of the link that the pool asks for. @throws Failure when no cluster's link could have it */
export function subnetOfPool({ first, last }: LoadBalancerPool): string {
  const [subnet, ...others] = [...new Set([first, last].map((address) => address.replace(/\.\d+$/, '')))];
  const indexes = [first, last].map((address) => Number(address.slice(address.lastIndexOf('.') + 1)));
  const fits = indexes.every((index) => index >= loadBalancerIndexMin && index <= indexMax);
  if (subnet && others.length === 0 && fits && isCandidateSubnet(subnet)) return subnet;
  const range = upperHalf('172.30.N');
  throw new Failure(`the load-balancer pool ${first}-${last} is on no link that nodes of this machine have`, {
    advice: `choose a part of ${range.first}-${range.last}, with N from 0 to 255`,
  });
}

/** Notes the pool for a cluster, whose link follows it while it has none. @throws Failure */
export function choosePool(record: ClusterRecord, pool: LoadBalancerPool): void {
  if (record.simulatedNodes > 0)
    throw new Failure('simulated nodes answer for no address: they have no load-balancer pool');
  if (record.subnet && record.subnet !== subnetOfPool(pool)) {
    const range = upperHalf(record.subnet);
    throw new Failure(`the nodes of cluster ${record.name} are on ${record.subnet}.0/24`, {
      advice: `choose a part of ${range.first}-${range.last}`,
    });
  }
  subnetOfPool(pool);
  record.loadBalancerPool = pool;
}

function upperHalf(subnet: string): LoadBalancerPool {
  return { first: `${subnet}.${loadBalancerIndexMin}`, last: `${subnet}.${indexMax}` };
}
