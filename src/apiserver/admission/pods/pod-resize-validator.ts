/** PodResizeValidator: a pod with a node may not ask for more than that node can ever provide. */
import { computePodRequests, numericAmounts } from '../../../api/quantities/pod-resources.ts';
import { Node, Pod } from '../../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../../api/status.ts';
import { semanticEqual } from '../../../api/validation/equality.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from '../admission.ts';

type Cause = 'UnsupportedPlatform' | 'NodeCapacity';

export function podResizeValidator(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodResizeValidator',
    operations: ['UPDATE'],
    resources: [writesOf(Pod, 'resize')],
    validate(attributes) {
      const [pod, old] = [attributes.object, attributes.old] as [Pod, Pod];
      const { nodeName } = pod.spec;
      if (!nodeName || semanticEqual(pod.spec, old.spec)) return;
      const node = objects.get(Node, '', nodeName);
      if (!node) throw refusal(attributes, `node "${nodeName}" not found`);
      const os = node.metadata.labels?.['kubernetes.io/os'];
      if (os !== undefined && os !== 'linux')
        throw refusal(
          attributes,
          `pod resize is only supported on linux nodes, node "${nodeName}" is "${os}"`,
          'UnsupportedPlatform',
        );
      const excess = findExcess(pod, node.status?.allocatable ?? {});
      if (excess.length > 0)
        throw refusal(
          attributes,
          `node didn't have enough allocatable resources: ${excess.join('; ')}`,
          'NodeCapacity',
        );
    },
  };
}

function findExcess(pod: Pod, allocatable: Record<string, string>): string[] {
  const requests = computePodRequests(pod, numericAmounts);
  return ['cpu', 'memory'].flatMap((name) => {
    const requested = requests.get(name) ?? 0;
    const most = numericAmounts.parse(name, allocatable[name] ?? '0');
    return requested > most ? [`${name}, requested: ${requested}, allocatable: ${most}`] : [];
  });
}

/** By the cause a client can see whether a retry is worth it. */
function refusal({ request, object }: AdmissionAttributes, why: string, cause?: Cause): StatusError {
  const name = object?.metadata.name || request.name;
  return forbidden(request.resource.definition.type, name, why, cause && [{ reason: cause }]);
}
