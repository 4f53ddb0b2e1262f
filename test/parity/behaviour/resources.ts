/** The resources that scenarios name by their plural, in the versions that are served today. */
import type { ResourceType } from '../../../src/api/meta.ts';
import * as resources from '../../../src/api/resources.gen.ts';

const byPlural = new Map<string, ResourceType>();
for (const type of Object.values(resources) as ResourceType[])
  if (!byPlural.has(type.plural)) byPlural.set(type.plural, type);

export function resourceOf(plural: string): ResourceType {
  const type = byPlural.get(plural);
  if (!type) throw new Error(`there is no resource ${plural}`);
  return type;
}

export function resourceOfKind(kind: string): ResourceType {
  const type = [...byPlural.values()].find((one) => one.kind === kind);
  if (!type) throw new Error(`there is no kind ${kind}`);
  return type;
}

/** Versions of the recorded cluster that have a stable one today. */
const newVersions: Record<string, string> = {
  'batch/v1beta1': 'batch/v1',
  'policy/v1beta1': 'policy/v1',
  'discovery.k8s.io/v1beta1': 'discovery.k8s.io/v1',
  'autoscaling/v2beta2': 'autoscaling/v2',
};

export function presentVersion(apiVersion: string): string {
  return newVersions[apiVersion] ?? apiVersion;
}
