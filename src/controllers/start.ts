/** All controllers, and what starts them. */
import { type AnyController, runController } from '../client/controller.ts';
import type { ControllerEnvironment } from '../client/controller-cluster.ts';
import { deploymentController } from './deployment.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { runGarbageCollector } from './garbage-collector.ts';
import { namespaceController } from './namespace.ts';
import { type NodeIpamOptions, nodeIpamController } from './node-ipam.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { runPodGc } from './pod-gc.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replicationcontroller.ts';
import { rootCaController } from './root-ca.ts';
import { serviceAccountController } from './serviceaccount.ts';
import { taintEvictionController } from './taint-eviction.ts';

export interface ControllersOptions extends ControllerEnvironment {
  /** PEM of the cluster's authority, published in every namespace. */
  clusterCa: string;
  nodeIpam?: NodeIpamOptions;
  /** Only these, by the name that {@link controllerNames} gives; all when absent. */
  only?: ReadonlySet<string>;
}

type Run = (environment: ControllerEnvironment, signal: AbortSignal) => Promise<void>;

const defaultNodeIpam: NodeIpamOptions = { clusterCidr: '10.244.0.0/16', nodeMaskSize: 24 };

function table(options: ControllersOptions): Record<string, AnyController | Run> {
  return {
    deployment: deploymentController,
    endpoints: endpointsController,
    endpointslice: endpointSliceController,
    endpointslicemirroring: endpointSliceMirroringController,
    garbagecollector: runGarbageCollector,
    namespace: namespaceController,
    nodeipam: nodeIpamController(options.nodeIpam ?? defaultNodeIpam),
    nodelifecycle: nodeLifecycleController(),
    podgc: runPodGc,
    replicaset: replicaSetController,
    replicationcontroller: replicationController,
    rootca: rootCaController(options.clusterCa),
    serviceaccount: serviceAccountController,
    tainteviction: taintEvictionController(),
  };
}

/** Runs the controllers until the signal aborts. One that fails takes none of the others with it. */
export async function startControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const { only, clusterCa: _, nodeIpam: __, ...environment } = options;
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
