/** The path within a volume that a container mounts. */
import type { VolumeMount } from '../../api/types/core-v1.gen.ts';
import { ContainerConfigError } from './environment.ts';
import { expandReferences } from './expansion.ts';

/**
 * Undefined: the whole volume. Variables are expanded only now, so the validation of paths is repeated here.
 * @throws ContainerConfigError
 */
export function subPathOf(mount: VolumeMount, environment: ReadonlyMap<string, string>): string | undefined {
  const subPath = mount.subPathExpr ? expand(mount.subPathExpr, environment) : mount.subPath;
  if (!subPath) return undefined;
  if (subPath.startsWith('/'))
    throw new ContainerConfigError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..'))
    throw new ContainerConfigError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  return subPath;
}

function expand(expression: string, environment: ReadonlyMap<string, string>): string {
  const missing = new Set<string>();
  const expanded = expandReferences(expression, (name) => {
    const value = environment.get(name);
    // An empty value would make a relative path absolute, or turn a part of the volume into the whole.
    if (!value) missing.add(name);
    return value ?? '';
  });
  if (missing.size > 0) throw new ContainerConfigError(`missing value for ${[...missing].sort().join(', ')}`);
  return expanded;
}
