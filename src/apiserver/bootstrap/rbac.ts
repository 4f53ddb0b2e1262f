/** The default roles and bindings: created when missing, and completed when a newer version adds to them. */
import { isDeepStrictEqual } from 'node:util';
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import {
  defaultClusterRoleBindings,
  defaultClusterRoles,
  defaultRoleBindings,
  defaultRoles,
} from '../../api/rbac/default-roles.ts';
import type { PolicyRule } from '../../api/rbac/policy-rules.ts';
import {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  ServiceAccount,
} from '../../api/resources.gen.ts';
import { nodeNetworkAccount } from '../../api/well-known.ts';
import { uncoveredRules } from '../authorization/rules.ts';
import { changeOwn, ensureObject, resourceOf } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';

const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';

export async function ensureRbac(registry: Registry): Promise<void> {
  await ensureAll(registry, ClusterRole, defaultClusterRoles, withMissingRules);
  await ensureAll(registry, Role, defaultRoles, withMissingRules);
  await ensureAll(registry, ClusterRoleBinding, defaultClusterRoleBindings, withMissingSubjects);
  await ensureAll(registry, RoleBinding, defaultRoleBindings, withMissingSubjects);
  await ensureObject(registry, ServiceAccount, { metadata: nodeNetworkAccount });
}

/** `complete` returns the object with what it lacks of the default, or the same object when it lacks nothing. */
async function ensureAll<T extends KubeObject>(
  registry: Registry,
  type: ResourceType<T>,
  defaults: readonly Draft<T>[],
  complete: (current: T, wanted: Draft<T>) => T,
): Promise<void> {
  await Promise.all(
    defaults.map(async (wanted) => {
      if (await ensureObject(registry, type, wanted)) return;
      const { namespace = '', name = '' } = wanted.metadata;
      const key = namespace ? `${namespace}/${name}` : name;
      const current = resourceOf(registry, type).cache?.get(key)?.object as T | undefined;
      if (current?.metadata.annotations?.[autoUpdateAnnotation] !== 'true') return;
      if (complete(current, wanted) === current) return;
      await changeOwn(
        registry,
        type,
        { namespace, name },
        { next: (found) => inAnyVersion(complete(found.copy() as T, wanted)) },
      );
    }),
  );
}

/** Servers that start together complete the same objects: one that loses reads again, and finds nothing left to do. */
function inAnyVersion<T extends KubeObject>(object: T): T {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

type WithRules = KubeObject & { rules?: PolicyRule[]; aggregationRule?: unknown };

function withMissingRules<T extends WithRules>(current: T, wanted: Draft<T>): T {
  // The rules of an aggregated role are the controller's.
  if (current.aggregationRule) return current;
  const { rules = [] } = wanted as WithRules;
  const missing = uncoveredRules(current.rules ?? [], rules);
  return missing.length === 0 ? current : { ...current, rules: [...(current.rules ?? []), ...missing] };
}

type WithSubjects = KubeObject & { subjects?: unknown[] };

function withMissingSubjects<T extends WithSubjects>(current: T, wanted: Draft<T>): T {
  const { subjects = [] } = wanted as WithSubjects;
  const present = current.subjects ?? [];
  const missing = subjects.filter((subject) => !present.some((other) => isDeepStrictEqual(other, subject)));
  return missing.length === 0 ? current : { ...current, subjects: [...present, ...missing] };
}
