/** Names on which several components must agree: labels, annotations, finalizers, users and groups. */

export const hostnameLabel = 'kubernetes.io/hostname';
export const zoneLabel = 'topology.kubernetes.io/zone';
export const regionLabel = 'topology.kubernetes.io/region';
export const osLabel = 'kubernetes.io/os';
export const architectureLabel = 'kubernetes.io/arch';
export const instanceTypeLabel = 'node.kubernetes.io/instance-type';
/** What these labels of nodes were called at first: older manifests and volumes still name them so. */
export const firstZoneLabel = 'failure-domain.beta.kubernetes.io/zone';
export const firstRegionLabel = 'failure-domain.beta.kubernetes.io/region';
export const firstOsLabel = 'beta.kubernetes.io/os';
export const firstArchitectureLabel = 'beta.kubernetes.io/arch';
export const firstInstanceTypeLabel = 'beta.kubernetes.io/instance-type';
/** Keys of the taints that a node gets for its conditions, for `spec.unschedulable`, and from who knows that it is off. */
export const nodeTaints = {
  notReady: 'node.kubernetes.io/not-ready',
  unreachable: 'node.kubernetes.io/unreachable',
  memoryPressure: 'node.kubernetes.io/memory-pressure',
  diskPressure: 'node.kubernetes.io/disk-pressure',
  pidPressure: 'node.kubernetes.io/pid-pressure',
  networkUnavailable: 'node.kubernetes.io/network-unavailable',
  unschedulable: 'node.kubernetes.io/unschedulable',
  outOfService: 'node.kubernetes.io/out-of-service',
} as const;

/** On an EndpointSlice: the Service whose endpoints it has. */
export const serviceNameLabel = 'kubernetes.io/service-name';
/** On EndpointSlices and Endpoints of a Service without an address of its own. */
export const headlessServiceLabel = 'service.kubernetes.io/headless';
/** On an EndpointSlice: the controller that keeps it. */
export const sliceManagerLabel = 'endpointslice.kubernetes.io/managed-by';
/** On Endpoints: the controller that keeps them. */
export const endpointsManagerLabel = 'endpoints.kubernetes.io/managed-by';
/** On Endpoints that are not mirrored as EndpointSlices. */
export const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';

/** On the API's image of a static pod: the hash of the pod that the node runs. */
export const mirrorPodAnnotation = 'kubernetes.io/config.mirror';
/** What the last client-side `kubectl apply` was given. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** The class of an Ingress, as it was given before `spec.ingressClassName`. */
export const ingressClassAnnotation = 'kubernetes.io/ingress.class';
/** On an IngressClass: that of Ingresses which name none. */
export const defaultIngressClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';
/** On Endpoints: they are the lock of an election. */
export const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
/** On a Service: whether its endpoints are meant for zones; the second is its older name. */
export const topologyModeAnnotation = 'service.kubernetes.io/topology-mode';
export const topologyHintsAnnotation = 'service.kubernetes.io/topology-aware-hints';
/** On a pod: which goes first where there are too many. */
export const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost';
/** The type of Secrets that are tokens by which nodes join. */
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';

/** The object stays until its dependents have lost their reference to it. */
export const orphanFinalizer = 'orphan';
/** The object stays until its dependents that block its deletion are gone. */
export const foregroundFinalizer = 'foregroundDeletion';

/** May do everything, whatever the roles say. */
export const mastersGroup = 'system:masters';
export const nodesGroup = 'system:nodes';
/** The service account that what carries a node's network reads the API as: more of it than a node may see itself. */
export const nodeNetworkAccount = { namespace: 'kube-system', name: 'wherry-node-network' };
/** The kubelet of node NAME is the user `system:node:NAME`. */
export const nodeUserPrefix = 'system:node:';
/** Everybody who has shown who he is. */
export const authenticatedGroup = 'system:authenticated';
export const unauthenticatedGroup = 'system:unauthenticated';
