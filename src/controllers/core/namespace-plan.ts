/** How a namespace that is being deleted is emptied, and what its conditions say delays it. Decides; never acts. */

import { withCondition } from '../../api/conditions.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Namespace } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Discovered, DiscoveredResource } from '../../client/discovery.ts';

export const namespaceFinalizer = 'kubernetes';

/** What came of the requests to delete the objects of one resource. */
export interface Emptied {
  resource: DiscoveredResource;
  outcome: { left: readonly KubeObject[] } | { error: Error };
}

/** What is still in a namespace. */
export interface Remains {
  /** `pods` or `widgets.example.com` → objects left. */
  resources: ReadonlyMap<string, number>;
  finalizers: ReadonlyMap<string, number>;
  /** Versions of groups whose resources could not be learned. */
  discoveryFailures: readonly string[];
  contentFailures: readonly string[];
}

/** How the objects of a resource are deleted: all with one request, or each by its name; undefined: not at all. */
export type Deletion = 'all' | { each: readonly KubeObject[] } | undefined;

/** The namespace stays as long as it has its finalizer, and only its controller removes that. */
export function isToBeEmptied({ metadata, spec }: Namespace): boolean {
  return (
    metadata.deletionTimestamp !== undefined && (spec?.finalizers?.includes(namespaceFinalizer) ?? false)
  );
}

/**
 * The resources whose objects go, in two turns: pods may still use the rest, which goes once there are none of them
 * left.
 */
export function planTurns(all: readonly DiscoveredResource[]): [DiscoveredResource[], DiscoveredResource[]] {
  const deletable = all.filter(
    ({ namespaced, verbs, isView }) =>
      namespaced && !isView && verbs.includes('list') && verbs.includes('delete'),
  );
  return [deletable.filter(isPods), deletable.filter((resource) => !isPods(resource))];
}

/** What is being deleted already is not asked to go again. */
export function planDeletion({ verbs }: DiscoveredResource, items: readonly KubeObject[]): Deletion {
  const untouched = items.filter(({ metadata }) => !metadata.deletionTimestamp);
  if (untouched.length === 0) return undefined;
  return verbs.includes('deletecollection') ? 'all' : { each: untouched };
}

/** `sinceMs`: how long ago the namespace was deleted. */
export function remainsOf(
  namespace: string,
  emptied: readonly Emptied[],
  discoveryFailures: Discovered['failures'],
  sinceMs: number,
): Remains {
  const resources = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const contentFailures: string[] = [];
  for (const { resource, outcome } of emptied) {
    if ('error' in outcome) {
      if (!isGone(outcome.error)) contentFailures.push(outcome.error.message);
      continue;
    }
    const { left } = outcome;
    const { group, version, plural } = resource;
    if (left.length > 0) resources.set(group ? `${plural}.${group}` : plural, left.length);
    for (const name of left.flatMap(({ metadata }) => metadata.finalizers ?? []))
      finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
    if (isUnexpected(resource, left, sinceMs))
      contentFailures.push(
        `unexpected items still remain in namespace: ${namespace} for gvr: ${group}/${version}, Resource=${plural}`,
      );
  }
  return { resources, finalizers, discoveryFailures: [...discoveryFailures.keys()], contentFailures };
}

export function isEmpty({ resources, discoveryFailures, contentFailures }: Remains): boolean {
  return resources.size === 0 && discoveryFailures.length === 0 && contentFailures.length === 0;
}

function isPods({ group, plural }: DiscoveredResource): boolean {
  return group === '' && plural === 'pods';
}

/** A resource that is no longer served, or does not know the request, has nothing to delete. */
function isGone(error: Error): boolean {
  return error instanceof StatusError && [404, 405].includes(error.code);
}

/** Objects without finalizers should be gone: at once, or for pods when their grace period is over. */
function isUnexpected(resource: DiscoveredResource, left: readonly KubeObject[], sinceMs: number): boolean {
  if (left.length === 0 || left.some(({ metadata }) => (metadata.finalizers ?? []).length > 0)) return false;
  const graceSeconds = left.map(({ metadata }) => metadata.deletionGracePeriodSeconds ?? 0);
  return sinceMs >= (isPods(resource) ? Math.max(...graceSeconds) * 1000 : 0);
}

interface DeletionCheck {
  type: string;
  failed: { reason: string; message: (remains: Remains) => string };
  passed: { reason: string; message: string };
}

/** What the conditions of a terminating namespace show, in upstream's words. An empty message: the check passed. */
const deletionChecks: readonly DeletionCheck[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    failed: {
      reason: 'DiscoveryFailed',
      message: ({ discoveryFailures }) =>
        listed(
          `Discovery failed for some groups, ${discoveryFailures.length} failing: ` +
            'unable to retrieve the complete list of server APIs',
          discoveryFailures.map((version) => `${version}: stale GroupVersion discovery: ${version}`),
        ),
    },
    passed: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    failed: { reason: 'GroupVersionParsingFailed', message: () => '' },
    passed: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
  },
  {
    type: 'NamespaceDeletionContentFailure',
    failed: {
      reason: 'ContentDeletionFailed',
      message: ({ contentFailures }) =>
        listed(`Failed to delete all resource types, ${contentFailures.length} remaining`, contentFailures),
    },
    passed: {
      reason: 'ContentDeleted',
      message: 'All content successfully deleted, may be waiting on finalization',
    },
  },
  {
    type: 'NamespaceContentRemaining',
    failed: {
      reason: 'SomeResourcesRemain',
      message: ({ resources }) =>
        listed(
          'Some resources are remaining',
          [...resources].map(([name, count]) => {
            const dotted = name.includes('.') ? name : `${name}.`;
            return `${dotted} has ${count} resource instances`;
          }),
        ),
    },
    passed: { reason: 'ContentRemoved', message: 'All content successfully removed' },
  },
  {
    type: 'NamespaceFinalizersRemaining',
    failed: {
      reason: 'SomeFinalizersRemain',
      message: ({ finalizers }) =>
        listed(
          'Some content in the namespace has finalizers remaining',
          [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`),
        ),
    },
    passed: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
  },
];

/** Sorted, so that it is the same whatever was learned first; empty when there is none. */
function listed(title: string, entries: readonly string[]): string {
  return entries.length === 0 ? '' : `${title}: ${[...entries].sort().join(', ')}`;
}

export function deletionConditions(
  namespace: Namespace,
  remains: Remains,
  now: string,
): core.NamespaceCondition[] {
  let conditions = namespace.status?.conditions ?? [];
  for (const { type, failed, passed } of deletionChecks) {
    const message = failed.message(remains);
    const condition = message
      ? { type, status: 'True', reason: failed.reason, message }
      : { type, status: 'False', ...passed };
    conditions = withCondition(conditions, condition, now);
  }
  return conditions;
}
