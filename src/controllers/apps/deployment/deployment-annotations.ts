/** The annotations by which a Deployment and its ReplicaSets remember revisions and sizes. */

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
/** Earlier revision numbers of a ReplicaSet that was rolled back to. */
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
/** Size of the Deployment when the ReplicaSet was last scaled, without and with the surge. */
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
