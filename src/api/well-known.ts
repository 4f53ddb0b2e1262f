/** Names on which several components must agree: labels, annotations, finalizers, users and groups. */

export const hostnameLabel = 'kubernetes.io/hostname';
export const zoneLabel = 'topology.kubernetes.io/zone';
export const regionLabel = 'topology.kubernetes.io/region';
/** On an EndpointSlice: the Service whose endpoints it has. */
export const serviceNameLabel = 'kubernetes.io/service-name';
/** On EndpointSlices and Endpoints of a Service without an address of its own. */
export const headlessServiceLabel = 'service.kubernetes.io/headless';

/** On the API's image of a static pod: the hash of the pod that the node runs. */
export const mirrorPodAnnotation = 'kubernetes.io/config.mirror';
/** What the last client-side `kubectl apply` was given. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** The class of an Ingress, as it was given before `spec.ingressClassName`. */
export const ingressClassAnnotation = 'kubernetes.io/ingress.class';

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
