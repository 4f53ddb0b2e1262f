/** The built-in plugins in the order in which they run. */
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { AdmissionChain } from './admission.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { priority } from './priority.ts';
import { serviceAccount } from './service-account.ts';
import { defaultStorageClass, persistentVolumeClaimResize, storageObjectInUseProtection } from './storage.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export function addBuiltinPlugins(
  chain: AdmissionChain,
  { objects, random }: { objects: ObjectReader; random: Random },
): void {
  chain.add(namespaceLifecycle(objects));
  chain.add(limitRanger(objects));
  chain.add(serviceAccount(objects, random));
  chain.add(taintNodesByCondition);
  chain.add(priority(objects));
  chain.add(defaultTolerationSeconds);
  chain.add(storageObjectInUseProtection);
  chain.add(persistentVolumeClaimResize(objects));
  chain.add(defaultStorageClass(objects));
}
