/** A pod with scheduling gates is not tried at all until they are gone. */
import { type Plugin, unresolvable } from '../framework/plugin.ts';

export function schedulingGates(): Plugin {
  return {
    name: 'SchedulingGates',
    retryRules: [{ resource: 'TargetPod', changes: ['schedulingGates'] }],
    preEnqueue({ pod }) {
      const gates = pod.spec?.schedulingGates ?? [];
      if (gates.length === 0) return undefined;
      return unresolvable(`waiting for scheduling gates: [${gates.map(({ name }) => name).join(' ')}]`);
    },
  };
}
