/** Taints of devices: which of them a toleration covers, and on which devices a DeviceTaintRule puts its own. */
import type { DeviceTaintRule } from '../resources.gen.ts';
import type { DeviceTaint, DeviceToleration } from '../types/resource-v1.gen.ts';

/** By driver, pool and its own name there, as allocations name it. */
export interface DeviceAddress {
  driver: string;
  pool: string;
  device: string;
}

/** Unlike tolerations of nodes' taints, one that wants a value may leave the key open. */
export function toleratesDeviceTaint(toleration: DeviceToleration, taint: DeviceTaint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  return toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? '');
}

/** A rule without a selector is about no device, one whose selector is empty about all of them. */
export function isSelectedBy({ spec }: DeviceTaintRule, address: DeviceAddress): boolean {
  const wanted = spec.deviceSelector;
  if (!wanted) return false;
  return (['driver', 'pool', 'device'] as const).every(
    (part) => wanted[part] === undefined || wanted[part] === address[part],
  );
}
