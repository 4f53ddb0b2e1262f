/** Extended resources that devices provide: under a name that their class gives them, and under the class's own. */
import type { DeviceClass, ResourceClaim } from '../resources.gen.ts';

/** Before the name of a class: its devices as a resource, without any setting. */
export const classResourcePrefix = 'deviceclass.resource.kubernetes.io/';
/** On a claim that was made for the extended resources of a pod: `true`. */
export const extendedClaimAnnotation = 'resource.kubernetes.io/extended-resource-claim';

export function isExtendedClaim({ metadata }: ResourceClaim): boolean {
  return metadata.annotations?.[extendedClaimAnnotation] === 'true';
}

/** Which class provides a resource. Where several claim a name, the newest does: that is how one replaces another. */
export function classesByResource(classes: Iterable<DeviceClass>): Map<string, DeviceClass> {
  const found = new Map<string, DeviceClass>();
  for (const deviceClass of classes) {
    found.set(classResourcePrefix + deviceClass.metadata.name, deviceClass);
    const name = deviceClass.spec.extendedResourceName;
    const known = name && found.get(name);
    if (name && (!known || replaces(deviceClass, known))) found.set(name, deviceClass);
  }
  return found;
}

function replaces({ metadata: next }: DeviceClass, { metadata: known }: DeviceClass): boolean {
  const [nextMs, knownMs] = [Date.parse(next.creationTimestamp), Date.parse(known.creationTimestamp)];
  return nextMs === knownMs ? next.name < known.name : nextMs > knownMs;
}
