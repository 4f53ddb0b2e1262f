/** All controllers, and how they are started. */

import type { Clock } from '../base/clock.ts';
import type { CertificatePair } from '../base/x509/pki.ts';
import { type AnyController, runController } from '../client/controller/controller.ts';
import type { ControllerEnvironment } from '../client/controller/controller-cluster.ts';
import { daemonSetController } from './apps/daemonset.ts';
import { deploymentController } from './apps/deployment.ts';
import { replicaSetController } from './apps/replicaset.ts';
import { replicationController } from './apps/replicationcontroller.ts';
import { statefulSetController } from './apps/statefulset.ts';
import { horizontalPodAutoscalerController } from './autoscaling/horizontal-pod-autoscaler.ts';
import { cronJobController } from './batch/cronjob.ts';
import { jobController } from './batch/job.ts';
import { ttlAfterFinishedController } from './batch/ttl-after-finished.ts';
import { csrApprovingController } from './certificates/csr-approving.ts';
import { runCsrCleaner } from './certificates/csr-cleaner.ts';
import { csrServingApprovingController } from './certificates/csr-serving-approving.ts';
import { csrSigningController } from './certificates/csr-signing.ts';
import { bootstrapSigner, bootstrapTokenCleaner } from './core/bootstrap-tokens.ts';
import { runLegacyTokenCleaner } from './core/legacy-token-cleaner.ts';
import { namespaceController } from './core/namespace.ts';
import { resourceQuotaController } from './core/resource-quota.ts';
import { rootCaController } from './core/root-ca.ts';
import { serviceAccountController } from './core/serviceaccount.ts';
import { type IssueSecretToken, tokenSecretController } from './core/token-secret.ts';
import { runGarbageCollector } from './garbage/garbage-collector.ts';
import { endpointsController } from './networking/endpoints.ts';
import { endpointSliceController } from './networking/endpointslice.ts';
import { endpointSliceMirroringController } from './networking/endpointslice-mirroring.ts';
import { loadBalancerController } from './networking/load-balancer.ts';
import type { AddressRange } from './networking/load-balancer-plan.ts';
import { serviceCidrController } from './networking/service-cidr.ts';
import { type NodeIpamOptions, nodeIpamController } from './nodes/node-ipam.ts';
import { nodeLifecycleController } from './nodes/node-lifecycle.ts';
import { nodeTtlController } from './nodes/node-ttl.ts';
import { runPodGc } from './nodes/pod-gc.ts';
import { taintEvictionController } from './nodes/taint-eviction.ts';
import { disruptionController } from './policy/disruption.ts';
import { staleDisruptionController } from './policy/stale-disruption.ts';
import { clusterRoleAggregationController } from './rbac/clusterrole-aggregation.ts';
import { deviceTaintEvictionController } from './resource/device-taint-eviction.ts';
import { RuleNews } from './resource/device-taint-rule-news.ts';
import { deviceTaintRuleStatusController } from './resource/device-taint-rule-status.ts';
import { podResourceClaimController, resourceClaimController } from './resource/resource-claim.ts';
import { attachDetachController } from './storage/attach-detach.ts';
import { ensureDefaultStorageClass } from './storage/default-storage-class.ts';
import { ephemeralVolumeController } from './storage/ephemeral-volume.ts';
import { hostpathProvisioner } from './storage/hostpath-provisioner.ts';
import { persistentVolumeControllers } from './storage/persistent-volume-binder.ts';
import { pvProtectionController } from './storage/pv-protection.ts';
import { pvcProtectionController } from './storage/pvc-protection.ts';
import { vacProtectionController } from './storage/vac-protection.ts';
import { runVolumeCounts } from './storage/volume-counts.ts';
import { volumeExpandController } from './storage/volume-expand.ts';

export interface ControllersOptions {
  /** PEM of the cluster's certificate authority, published in every namespace. */
  clusterCa: string;
  nodeIpam?: NodeIpamOptions;
  /** Signs approved certificate requests; when absent, no controller does. */
  signingAuthority?: CertificatePair;
  /** Issues the tokens of Secrets that ask for one; when absent, no controller does. */
  issueSecretToken?: IssueSecretToken;
  /** Addresses for services of type LoadBalancer; none when absent. */
  loadBalancerPool?: readonly AddressRange[];
  /** Only these, by their names in the table below; all when absent. */
  only?: ReadonlySet<string>;
}

type Run = (environment: ControllerEnvironment, signal: AbortSignal) => Promise<void>;

const defaultNodeIpam: NodeIpamOptions = { clusterCidr: '10.244.0.0/16', nodeMaskSize: 24 };

function table(options: ControllersOptions, clock: Clock): Record<string, AnyController | Run> {
  const persistentVolumes = persistentVolumeControllers();
  const deviceTaintRules = new RuleNews();
  return {
    attachdetach: attachDetachController(),
    bootstrapsigner: bootstrapSigner,
    clusterroleaggregation: clusterRoleAggregationController,
    cronjob: cronJobController(clock),
    csrapproving: csrApprovingController,
    csrcleaner: runCsrCleaner,
    csrservingapproving: csrServingApprovingController,
    ...(options.signingAuthority && { csrsigning: csrSigningController(options.signingAuthority) }),
    daemonset: daemonSetController(),
    defaultstorageclass: ensureDefaultStorageClass,
    deployment: deploymentController,
    devicetainteviction: deviceTaintEvictionController(deviceTaintRules),
    devicetaintrulestatus: deviceTaintRuleStatusController(deviceTaintRules),
    disruption: disruptionController,
    endpoints: endpointsController(),
    endpointslice: endpointSliceController(),
    endpointslicemirroring: endpointSliceMirroringController,
    ephemeralvolume: ephemeralVolumeController,
    garbagecollector: runGarbageCollector,
    horizontalpodautoscaler: horizontalPodAutoscalerController(),
    hostpathprovisioner: hostpathProvisioner(),
    job: jobController(),
    legacytokencleaner: runLegacyTokenCleaner,
    loadbalancer: loadBalancerController(options.loadBalancerPool ?? []),
    namespace: namespaceController,
    nodeipam: nodeIpamController(options.nodeIpam ?? defaultNodeIpam),
    nodelifecycle: nodeLifecycleController(clock),
    nodettl: nodeTtlController(),
    persistentvolumebinder: persistentVolumes.volumes,
    persistentvolumeclaimbinder: persistentVolumes.claims,
    podgc: runPodGc,
    podresourceclaim: podResourceClaimController,
    pvcprotection: pvcProtectionController,
    pvprotection: pvProtectionController,
    replicaset: replicaSetController,
    replicationcontroller: replicationController,
    resourceclaim: resourceClaimController,
    resourcequota: resourceQuotaController(),
    rootca: rootCaController(options.clusterCa),
    serviceaccount: serviceAccountController,
    servicecidr: serviceCidrController,
    staledisruption: staleDisruptionController,
    statefulset: statefulSetController,
    tainteviction: taintEvictionController(),
    tokencleaner: bootstrapTokenCleaner,
    ...(options.issueSecretToken && {
      tokensecret: tokenSecretController(options.issueSecretToken, options.clusterCa),
    }),
    ttlafterfinished: ttlAfterFinishedController,
    vacprotection: vacProtectionController,
    volumecounts: runVolumeCounts,
    volumeexpand: volumeExpandController,
  };
}

/** Runs the controllers until the signal aborts. One that fails does not affect the others. */
export async function startControllers(
  environment: ControllerEnvironment,
  options: ControllersOptions,
  signal: AbortSignal,
): Promise<void> {
  const { only } = options;
  const running = Object.entries(table(options, environment.clock))
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
