/** What the node says of its own health. Pure. */
import type * as core from '../../api/types/core-v1.gen.ts';

export interface NodeHealth {
  memoryPressure: boolean;
  diskPressure: boolean;
  pidPressure: boolean;
  /** Why the node cannot run pods; empty: it can. */
  problems: readonly string[];
}

type Told = Pick<core.NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

export function nodeConditions(
  health: NodeHealth,
  before: readonly core.NodeCondition[],
  nowText: string,
): core.NodeCondition[] {
  const ready = health.problems.length === 0;
  const told: Told[] = [
    pressure(
      'MemoryPressure',
      health.memoryPressure,
      'KubeletHasInsufficientMemory',
      'kubelet has insufficient memory available',
      'KubeletHasSufficientMemory',
      'kubelet has sufficient memory available',
    ),
    pressure(
      'DiskPressure',
      health.diskPressure,
      'KubeletHasDiskPressure',
      'kubelet has disk pressure',
      'KubeletHasNoDiskPressure',
      'kubelet has no disk pressure',
    ),
    pressure(
      'PIDPressure',
      health.pidPressure,
      'KubeletHasInsufficientPID',
      'kubelet has insufficient PID available',
      'KubeletHasSufficientPID',
      'kubelet has sufficient PID available',
    ),
    {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: ready ? 'KubeletReady' : 'KubeletNotReady',
      message: ready ? 'kubelet is posting ready status' : bracketed(health.problems),
    },
  ];
  return told.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: nowText, lastTransitionTime: since ?? nowText };
  });
}

function pressure(
  type: string,
  on: boolean,
  badReason: string,
  bad: string,
  goodReason: string,
  good: string,
): Told {
  return on
    ? { type, status: 'True', reason: badReason, message: bad }
    : { type, status: 'False', reason: goodReason, message: good };
}

/** As Go prints an aggregate of errors. */
function bracketed(problems: readonly string[]): string {
  return problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`;
}

/** Reasons of the events that tell of a condition's change, as upstream names them. */
export function conditionEventReason(condition: Told): string {
  const names: Record<string, readonly [string, string]> = {
    MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
    DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
    PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
    Ready: ['NodeReady', 'NodeNotReady'],
  };
  const [onTrue, onFalse] = names[condition.type] ?? [condition.type, condition.type];
  return condition.status === 'True' ? onTrue : onFalse;
}
