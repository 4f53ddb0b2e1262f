/** All controllers, and what starts them. */
import { type AnyController, runController } from '../client/controller.ts';
import type { ControllerEnvironment } from '../client/controller-cluster.ts';
import { ensureDefaultStorageClass } from './default-storage-class.ts';
import { deploymentController } from './deployment.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { runGarbageCollector } from './garbage-collector.ts';
import { hostpathProvisioner } from './hostpath-provisioner.ts';
import { type AddressRange, loadBalancerController } from './load-balancer.ts';
import { namespaceController } from './namespace.ts';
import { type NodeIpamOptions, nodeIpamController } from './node-ipam.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { persistentVolumeControllers } from './persistent-volume-binder.ts';
import { runPodGc } from './pod-gc.ts';
import { pvProtectionController } from './pv-protection.ts';
import { pvcProtectionController } from './pvc-protection.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replicationcontroller.ts';
import { rootCaController } from './root-ca.ts';
import { serviceAccountController } from './serviceaccount.ts';
import { taintEvictionController } from './taint-eviction.ts';
import { volumeExpandController } from './volume-expand.ts';

export interface ControllersOptions extends ControllerEnvironment {
  /** PEM of the cluster's authority, published in every namespace. */
  clusterCa: string;
  nodeIpam?: NodeIpamOptions;
  /** Addresses for services of type LoadBalancer; none when absent. */
  loadBalancerPool?: readonly AddressRange[];
  /** Only these, by the name that {@link controllerNames} gives; all when absent. */
  only?: ReadonlySet<string>;
}

type Run = (environment: ControllerEnvironment, signal: AbortSignal) => Promise<void>;

const defaultNodeIpam: NodeIpamOptions = { clusterCidr: '10.244.0.0/16', nodeMaskSize: 24 };

function table(options: ControllersOptions): Record<string, AnyController | Run> {
  const persistentVolumes = persistentVolumeControllers();
  return {
    defaultstorageclass: ensureDefaultStorageClass,
    deployment: deploymentController,
    endpoints: endpointsController,
    endpointslice: endpointSliceController,
    endpointslicemirroring: endpointSliceMirroringController,
    ephemeralvolume: ephemeralVolumeController,
    garbagecollector: runGarbageCollector,
    hostpathprovisioner: hostpathProvisioner,
    loadbalancer: loadBalancerController(options.loadBalancerPool ?? []),
    namespace: namespaceController,
    nodeipam: nodeIpamController(options.nodeIpam ?? defaultNodeIpam),
    nodelifecycle: nodeLifecycleController(),
    persistentvolumebinder: persistentVolumes.volumes,
    persistentvolumeclaimbinder: persistentVolumes.claims,
    podgc: runPodGc,
    pvcprotection: pvcProtectionController,
    pvprotection: pvProtectionController,
    replicaset: replicaSetController,
    replicationcontroller: replicationController,
    rootca: rootCaController(options.clusterCa),
    serviceaccount: serviceAccountController,
    tainteviction: taintEvictionController(),
    volumeexpand: volumeExpandController,
  };
}

/** Runs the controllers until the signal aborts. One that fails takes none of the others with it. */
export async function startControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const { only, clusterCa: _, nodeIpam: __, loadBalancerPool: ___, ...environment } = options;
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
