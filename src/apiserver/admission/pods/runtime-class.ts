/** RuntimeClass: what a pod's runtime costs, and where it can run. */
import { reportedName } from '../../../api/meta.ts';
import { Pod, RuntimeClass } from '../../../api/resources.gen.ts';
import { forbidden } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionPlugin, writesOf } from '../admission.ts';

export function runtimeClass(objects: ObjectReader): AdmissionPlugin {
  const classOf = (pod: Pod): RuntimeClass | undefined => {
    const name = pod.spec?.runtimeClassName;
    if (!name) return undefined;
    const found = objects.get(RuntimeClass, '', name);
    if (!found)
      throw forbidden(
        Pod,
        reportedName(pod.metadata),
        `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`,
      );
    return found;
  };
  return {
    name: 'RuntimeClass',
    operations: ['CREATE'],
    resources: [writesOf(Pod)],
    mutate(attributes) {
      const pod = attributes.object as Pod;
      const found = classOf(pod);
      if (!found || !pod.spec) return;
      const overhead = found.overhead?.podFixed;
      if (overhead) {
        if (pod.spec.overhead && JSON.stringify(pod.spec.overhead) !== JSON.stringify(overhead))
          throw forbidden(
            Pod,
            reportedName(pod.metadata),
            `pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead`,
          );
        pod.spec.overhead = { ...overhead };
      }
      setScheduling(pod, found);
    },
    validate(attributes) {
      const pod = attributes.object as Pod;
      if (pod.spec?.overhead && !classOf(pod)?.overhead?.podFixed)
        throw forbidden(
          Pod,
          reportedName(pod.metadata),
          'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
        );
    },
  };
}

function setScheduling(pod: Pod, { scheduling }: RuntimeClass): void {
  if (!scheduling) return;
  const spec = pod.spec!;
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      throw forbidden(
        Pod,
        reportedName(pod.metadata),
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
  }
  if (scheduling.nodeSelector) spec.nodeSelector = { ...spec.nodeSelector, ...scheduling.nodeSelector };
  for (const toleration of scheduling.tolerations ?? []) {
    const text = JSON.stringify(toleration);
    if (!spec.tolerations?.some((own) => JSON.stringify(own) === text))
      spec.tolerations = [...(spec.tolerations ?? []), structuredClone(toleration)];
  }
}
