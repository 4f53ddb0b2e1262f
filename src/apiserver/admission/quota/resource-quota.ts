/** ResourceQuota: nothing is created or enlarged beyond what its namespace may use. */

import type { ClaimSurroundings } from '../../../api/quantities/claim-usage.ts';
import { type Quantity, subtractQuantities } from '../../../api/quantities/quantity.ts';
import { changesScope, matchesScopes, type Usage, usageOf } from '../../../api/quantities/quota.ts';
import { type Pod, ResourceQuota } from '../../../api/resources.gen.ts';
import { forbidden, type ResourceName } from '../../../api/status.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { ObjectReader } from '../../object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { type Charge, QuotaLedger, type QuotaStatusWriter, surroundingsIn } from './quota-ledger.ts';

export function resourceQuota(objects: ObjectReader, write: QuotaStatusWriter): AdmissionPlugin {
  const ledger = new QuotaLedger(objects, write);
  return {
    name: 'ResourceQuota',
    operations: ['CREATE', 'UPDATE'],
    mayReserve: mayCharge,
    async reserve(attributes) {
      const { request } = attributes;
      if (!request.namespace || !mayCharge(attributes)) return undefined;
      const quotas = [...objects.list(ResourceQuota, request.namespace)];
      if (quotas.length === 0) return undefined;
      const charges = computeCharges(attributes, quotas, surroundingsIn(objects));
      if (charges.length === 0) return undefined;
      if (request.dryRun) {
        ledger.check(request.namespace, charges);
        return undefined;
      }
      await ledger.take(request.namespace, charges);
      return () => ledger.giveBack(request.namespace, charges);
    },
  };
}

function mayCharge({ operation, request, object, old }: AdmissionAttributes): boolean {
  if (!object) return false;
  const { type } = request.resource.definition;
  if (operation === 'CREATE') return request.subresource === '';
  if (operation !== 'UPDATE' || type.group !== '') return false;
  if (type.plural === 'pods')
    return (
      request.subresource === 'resize' ||
      (request.subresource === '' && changesScope(object as Pod, old as Pod | undefined))
    );
  return request.subresource === '' && ['services', 'persistentvolumeclaims'].includes(type.plural);
}

/** What the request adds to each matching quota. @throws StatusError when a pod does not specify what is limited */
function computeCharges(
  { request, object, old }: AdmissionAttributes,
  quotas: readonly ResourceQuota[],
  surroundings: ClaimSurroundings,
): Charge[] {
  const resource: ResourceName = request.resource.definition.type;
  const name = object!.metadata.name || request.name;
  const refuse = (why: string) => forbidden(resource, name, why);
  const usage = usageOf(resource, object!, surroundings);
  const charges: Charge[] = [];
  for (const quota of quotas) {
    if (!matchesScopes(quota, resource, object!)) continue;
    const hard = quota.spec?.hard ?? {};
    if (request.subresource === '' && resource.plural === 'pods' && resource.group === '') {
      const open = unspecifiedResources(object as Pod, Object.keys(hard));
      if (open.length > 0)
        throw refuse(`failed quota: ${quota.metadata.name}: must specify ${open.join(',')}`);
    }
    // A quota that did not count the object before now counts it in full.
    const isCounted = old !== undefined && matchesScopes(quota, resource, old);
    const added = increase(usage, isCounted ? usageOf(resource, old) : undefined);
    const amounts = new Map([...added].filter(([resourceName]) => hard[resourceName] !== undefined));
    if (amounts.size > 0) charges.push({ quota: quota.metadata.name, amounts, refuse });
  }
  return charges;
}

/** What the new state uses in addition to the old one; reductions are returned when the controller counts. */
function increase(usage: Usage, before: Usage | undefined): Usage {
  const added = new Map<string, Quantity>();
  for (const [name, amount] of usage) {
    const known = before?.get(name);
    const difference = known ? subtractQuantities(amount, known) : amount;
    if (difference.nanos > 0n) added.set(name, difference);
  }
  return added;
}

const constrained = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'];

/**
 * Compute resources that a quota limits and that some container of the pod leaves open; sorted. A pod that states its
 * resources as a whole leaves nothing open.
 */
function unspecifiedResources({ spec }: Pod, hard: readonly string[]): string[] {
  if (isStatedForPod(spec?.resources)) return [];
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const isOpen = (name: string) => {
    const which = name.startsWith('limits.') ? 'limits' : 'requests';
    const resource = name.replace(/^(requests|limits)\./, '');
    return containers.some(({ resources }) => resources?.[which]?.[resource] === undefined);
  };
  return constrained.filter((name) => hard.includes(name) && isOpen(name)).sort();
}

function isStatedForPod(resources: core.ResourceRequirements | undefined): boolean {
  return Object.keys({ ...resources?.requests, ...resources?.limits }).some(
    (name) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-'),
  );
}
