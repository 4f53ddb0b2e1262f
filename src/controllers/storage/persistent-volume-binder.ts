/** Claims and volumes: two controllers, which share their promises of volumes to claims. */
import type { AnyController } from '../../client/controller/controller.ts';
import { claimBinder } from './binding/claim-binder.ts';
import { volumeBinder } from './binding/volume-binder.ts';

export function persistentVolumeControllers(): { claims: AnyController; volumes: AnyController } {
  /** Volume → uid of the claim to which it is promised, until the cache shows it. */
  const promised = new Map<string, string>();
  return { claims: claimBinder(promised), volumes: volumeBinder(promised) };
}
