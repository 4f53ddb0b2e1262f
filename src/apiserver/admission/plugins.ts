/** The built-in plugins in the order in which they run. */
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { Security } from '../security.ts';
import type { AdmissionChain } from './admission.ts';
import { certificateAdmission } from './certificates.ts';
import { claimStatusRights } from './claim-status-rights.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { deviceAdminAccess } from './device-admin-access.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction/node-restriction.ts';
import { defaultTolerationSeconds } from './pods/default-toleration-seconds.ts';
import { podResizeValidator } from './pods/pod-resize-validator.ts';
import { type PodSecurityObserver, podSecurity } from './pods/pod-security/pod-security.ts';
import { podTopologyLabels } from './pods/pod-topology-labels.ts';
import { priority } from './pods/priority.ts';
import { runtimeClass } from './pods/runtime-class.ts';
import { serviceAccount } from './pods/service-account.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { defaultStorageClass, persistentVolumeClaimResize, storageObjectInUseProtection } from './storage.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { terminatingDefinition } from './terminating-definition.ts';
import { clusterTrustBundleAttest } from './trust-bundles.ts';

export interface BuiltinPluginOptions {
  objects: ObjectReader;
  random: Random;
  security: Security;
  podSecurityObserver: PodSecurityObserver;
}

export function addBuiltinPlugins(
  chain: AdmissionChain,
  { objects, random, security, podSecurityObserver }: BuiltinPluginOptions,
): void {
  chain.add(terminatingDefinition(objects));
  chain.add(namespaceLifecycle(objects));
  chain.add(limitRanger(objects));
  chain.add(serviceAccount(objects, random));
  chain.add(nodeRestriction(objects, security.authorize));
  chain.add(taintNodesByCondition);
  chain.add(priority(objects));
  chain.add(podSecurity(objects, podSecurityObserver));
  chain.add(defaultTolerationSeconds);
  chain.add(storageObjectInUseProtection);
  chain.add(persistentVolumeClaimResize(objects));
  chain.add(runtimeClass(objects));
  chain.add(certificateAdmission(security.authorize));
  chain.add(clusterTrustBundleAttest(security.authorize));
  chain.add(rbacEscalation(security.rbac, security.authorize));
  chain.add(defaultIngressClass(objects));
  chain.add(defaultStorageClass(objects));
  chain.add(deviceAdminAccess(objects));
  chain.add(claimStatusRights(security.authorize));
  chain.add(podTopologyLabels(objects));
  chain.add(podResizeValidator(objects));
}
