/** The conditions of the node's status. Pure. */
import type * as core from '../../api/types/core-v1.gen.ts';

export interface NodeHealth {
  memoryPressure: boolean;
  diskPressure: boolean;
  pidPressure: boolean;
  /** Why the node cannot run pods; empty: it can. */
  problems: readonly string[];
}

type ConditionState = Pick<core.NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

export function nodeConditions(
  health: NodeHealth,
  before: readonly core.NodeCondition[],
  nowText: string,
): core.NodeCondition[] {
  const ready = health.problems.length === 0;
  const states: ConditionState[] = [
    ...pressures.map(({ type, isOn, on, off }) =>
      isOn(health) ? { type, status: 'True' as const, ...on } : { type, status: 'False' as const, ...off },
    ),
    {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: ready ? 'KubeletReady' : 'KubeletNotReady',
      message: ready ? 'kubelet is posting ready status' : bracketed(health.problems),
    },
  ];
  return states.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: nowText, lastTransitionTime: since ?? nowText };
  });
}

interface PressureCondition {
  type: string;
  isOn(health: NodeHealth): boolean;
  on: Pick<ConditionState, 'reason' | 'message'>;
  off: Pick<ConditionState, 'reason' | 'message'>;
}

/** In upstream's words. */
const pressures: PressureCondition[] = [
  {
    type: 'MemoryPressure',
    isOn: ({ memoryPressure }) => memoryPressure,
    on: { reason: 'KubeletHasInsufficientMemory', message: 'kubelet has insufficient memory available' },
    off: { reason: 'KubeletHasSufficientMemory', message: 'kubelet has sufficient memory available' },
  },
  {
    type: 'DiskPressure',
    isOn: ({ diskPressure }) => diskPressure,
    on: { reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' },
    off: { reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' },
  },
  {
    type: 'PIDPressure',
    isOn: ({ pidPressure }) => pidPressure,
    on: { reason: 'KubeletHasInsufficientPID', message: 'kubelet has insufficient PID available' },
    off: { reason: 'KubeletHasSufficientPID', message: 'kubelet has sufficient PID available' },
  },
];

/** As Go prints an aggregate of errors. */
function bracketed(problems: readonly string[]): string {
  return problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`;
}

/** Reasons of the events about a condition's change, as upstream names them. */
export function conditionEventReason(condition: ConditionState): string {
  const names: Record<string, readonly [string, string]> = {
    MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
    DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
    PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
    Ready: ['NodeReady', 'NodeNotReady'],
  };
  const [onTrue, onFalse] = names[condition.type] ?? [condition.type, condition.type];
  return condition.status === 'True' ? onTrue : onFalse;
}
