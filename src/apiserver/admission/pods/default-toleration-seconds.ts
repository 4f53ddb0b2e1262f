/** DefaultTolerationSeconds: pods outlive a lost node for five minutes, unless they say otherwise. */
import { Pod } from '../../../api/resources.gen.ts';
import { nodeTaints } from '../../../api/well-known.ts';
import { type AdmissionPlugin, writesOf } from '../admission.ts';

const lostNodeTaints = [nodeTaints.notReady, nodeTaints.unreachable];
const tolerationSeconds = 300;

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  operations: ['CREATE', 'UPDATE'],
  resources: [writesOf(Pod)],
  mutate(attributes) {
    const { spec } = attributes.object as Pod;
    if (!spec) return;
    for (const key of lostNodeTaints) {
      const isTolerated = spec.tolerations?.some(
        (toleration) =>
          (toleration.key === key || !toleration.key) &&
          (toleration.effect === 'NoExecute' || !toleration.effect),
      );
      if (isTolerated) continue;
      spec.tolerations = [
        ...(spec.tolerations ?? []),
        { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds },
      ];
    }
  },
};
