/** All controllers, and what starts them. */

import type { CertificatePair } from '../base/pki.ts';
import { type AnyController, runController } from '../client/controller.ts';
import type { ControllerEnvironment } from '../client/controller-cluster.ts';
import { clusterRoleAggregationController } from './clusterrole-aggregation.ts';
import { cronJobController } from './cronjob.ts';
import { csrApprovingController } from './csr-approving.ts';
import { runCsrCleaner } from './csr-cleaner.ts';
import { csrServingApprovingController } from './csr-serving-approving.ts';
import { csrSigningController } from './csr-signing.ts';
import { daemonSetController } from './daemonset.ts';
import { ensureDefaultStorageClass } from './default-storage-class.ts';
import { deploymentController } from './deployment.ts';
import { disruptionController } from './disruption.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { runGarbageCollector } from './garbage-collector.ts';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler.ts';
import { hostpathProvisioner } from './hostpath-provisioner.ts';
import { jobController } from './job.ts';
import { type AddressRange, loadBalancerController } from './load-balancer.ts';
import { namespaceController } from './namespace.ts';
import { type NodeIpamOptions, nodeIpamController } from './node-ipam.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { nodeTtlController } from './node-ttl.ts';
import { persistentVolumeControllers } from './persistent-volume-binder.ts';
import { runPodGc } from './pod-gc.ts';
import { pvProtectionController } from './pv-protection.ts';
import { pvcProtectionController } from './pvc-protection.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replicationcontroller.ts';
import { podResourceClaimController, resourceClaimController } from './resource-claim.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { rootCaController } from './root-ca.ts';
import { serviceCidrController } from './service-cidr.ts';
import { serviceAccountController } from './serviceaccount.ts';
import { staleDisruptionController } from './stale-disruption.ts';
import { statefulSetController } from './statefulset.ts';
import { taintEvictionController } from './taint-eviction.ts';
import { type IssueSecretToken, tokenSecretController } from './token-secret.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';
import { volumeExpandController } from './volume-expand.ts';

export interface ControllersOptions extends ControllerEnvironment {
  /** PEM of the cluster's authority, published in every namespace. */
  clusterCa: string;
  nodeIpam?: NodeIpamOptions;
  /** Signs approved certificate requests; nobody does when absent. */
  signingAuthority?: CertificatePair;
  /** Makes the tokens of Secrets that ask for one; nobody does when absent. */
  issueSecretToken?: IssueSecretToken;
  /** Addresses for services of type LoadBalancer; none when absent. */
  loadBalancerPool?: readonly AddressRange[];
  /** Only these, by their names in the table below; all when absent. */
  only?: ReadonlySet<string>;
}

type Run = (environment: ControllerEnvironment, signal: AbortSignal) => Promise<void>;

const defaultNodeIpam: NodeIpamOptions = { clusterCidr: '10.244.0.0/16', nodeMaskSize: 24 };

function table(options: ControllersOptions): Record<string, AnyController | Run> {
  const persistentVolumes = persistentVolumeControllers();
  return {
    clusterroleaggregation: clusterRoleAggregationController,
    cronjob: cronJobController,
    csrapproving: csrApprovingController,
    csrcleaner: runCsrCleaner,
    csrservingapproving: csrServingApprovingController,
    ...(options.signingAuthority && { csrsigning: csrSigningController(options.signingAuthority) }),
    daemonset: daemonSetController(),
    defaultstorageclass: ensureDefaultStorageClass,
    deployment: deploymentController,
    disruption: disruptionController,
    endpoints: endpointsController(),
    endpointslice: endpointSliceController,
    endpointslicemirroring: endpointSliceMirroringController,
    ephemeralvolume: ephemeralVolumeController,
    garbagecollector: runGarbageCollector,
    horizontalpodautoscaler: horizontalPodAutoscalerController(),
    hostpathprovisioner: hostpathProvisioner,
    job: jobController,
    loadbalancer: loadBalancerController(options.loadBalancerPool ?? []),
    namespace: namespaceController,
    nodeipam: nodeIpamController(options.nodeIpam ?? defaultNodeIpam),
    nodelifecycle: nodeLifecycleController(options.clock),
    nodettl: nodeTtlController,
    persistentvolumebinder: persistentVolumes.volumes,
    persistentvolumeclaimbinder: persistentVolumes.claims,
    podgc: runPodGc,
    pvcprotection: pvcProtectionController,
    pvprotection: pvProtectionController,
    replicaset: replicaSetController,
    replicationcontroller: replicationController,
    podresourceclaim: podResourceClaimController,
    resourceclaim: resourceClaimController,
    resourcequota: resourceQuotaController(),
    rootca: rootCaController(options.clusterCa),
    serviceaccount: serviceAccountController,
    servicecidr: serviceCidrController,
    staledisruption: staleDisruptionController,
    statefulset: statefulSetController,
    tainteviction: taintEvictionController(),
    ...(options.issueSecretToken && {
      tokensecret: tokenSecretController(options.issueSecretToken, options.clusterCa),
    }),
    ttlafterfinished: ttlAfterFinishedController,
    volumeexpand: volumeExpandController,
  };
}

/** Runs the controllers until the signal aborts. One that fails takes none of the others with it. */
export async function startControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const { only, clusterCa: _, nodeIpam: __, loadBalancerPool: ___, ...rest } = options;
  const { signingAuthority: ____, issueSecretToken: _____, ...environment } = rest;
  const running = Object.entries(table(options))
    .filter(([name]) => !only || only.has(name))
    .map(([name, controller]) =>
      (typeof controller === 'function'
        ? controller(environment, signal)
        : runController(controller, environment, signal)
      ).catch((error: unknown) => {
        if (!signal.aborted) environment.logger.error('a controller ended', { controller: name, error });
      }),
    );
  await Promise.all(running);
}
