/** The allocation in a claim's status: which devices, how they are configured, and which nodes reach them. */
import type { DeviceClass, Node, ResourceClaim } from '../../api/resources.gen.ts';
import type { NodeSelector, NodeSelectorRequirement } from '../../api/types/core-v1.gen.ts';
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
} from '../../api/types/resource-v1.gen.ts';
import { type Choice, concerns } from './device-constraints.ts';
import { portionText } from './shared-capacity.ts';

export interface AllocationSources {
  classOf(name: string): DeviceClass | undefined;
  /** Tells the uses of a shared device apart. */
  newShareId(): string;
}

export function describeAllocation(
  claim: ResourceClaim,
  choices: readonly Choice[],
  node: Node,
  { classOf, newShareId }: AllocationSources,
): AllocationResult {
  const config = configurationOf(claim, choices, classOf);
  const nodeSelector = reachOf(choices, node);
  return {
    devices: {
      results: choices.map((choice) => resultOf(choice, newShareId)),
      ...(config.length > 0 && { config }),
    },
    ...(nodeSelector && { nodeSelector }),
  };
}

function resultOf(
  { request, asked, isAdmin, offered, portion }: Choice,
  newShareId: () => string,
): DeviceRequestAllocationResult {
  const { driver, pool, device } = offered;
  return {
    request,
    driver,
    pool,
    device: device.name,
    ...(isAdmin && { adminAccess: true }),
    ...(asked.tolerations?.length && { tolerations: asked.tolerations }),
    ...(portion && { shareID: newShareId() }),
    ...(portion?.size && { consumedCapacity: portionText(portion) }),
    ...(device.bindingConditions?.length && { bindingConditions: device.bindingConditions }),
    ...(device.bindingFailureConditions?.length && {
      bindingFailureConditions: device.bindingFailureConditions,
    }),
  };
}

/** Configurations of the classes come first: those of the claim, which come later, take precedence. */
function configurationOf(
  claim: ResourceClaim,
  choices: readonly Choice[],
  classOf: (name: string) => DeviceClass | undefined,
): DeviceAllocationConfiguration[] {
  const config: DeviceAllocationConfiguration[] = [];
  const classNames = new Map(choices.map(({ request, asked }) => [request, asked.deviceClassName]));
  for (const [request, className] of classNames)
    for (const entry of classOf(className)?.spec.config ?? [])
      config.push({ source: 'FromClass', requests: [request], ...entry });
  for (const entry of claim.spec.devices?.config ?? [])
    if (choices.some(({ request }) => concerns(entry.requests, request)))
      config.push({ source: 'FromClaim', ...entry });
  return config;
}

/** Undefined: all nodes. */
function reachOf(choices: readonly Choice[], node: Node): NodeSelector | undefined {
  const matchExpressions: NodeSelectorRequirement[] = [];
  for (const { offered } of choices) {
    const where = offered.slice.spec.perDeviceNodeSelection ? offered.device : offered.slice.spec;
    // Once it is prepared, a device that many nodes could have reached is on this one.
    if (offered.device.bindsToNode) return onlyOn(node);
    if (where.allNodes) continue;
    const [term] = where.nodeSelector?.nodeSelectorTerms ?? [];
    if (!term || term.matchFields?.length) return onlyOn(node);
    for (const requirement of term.matchExpressions ?? [])
      if (!matchExpressions.some((known) => JSON.stringify(known) === JSON.stringify(requirement)))
        matchExpressions.push(requirement);
  }
  return matchExpressions.length > 0 ? { nodeSelectorTerms: [{ matchExpressions }] } : undefined;
}

function onlyOn({ metadata }: Node): NodeSelector {
  const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [metadata.name] }];
  return { nodeSelectorTerms: [{ matchFields }] };
}
