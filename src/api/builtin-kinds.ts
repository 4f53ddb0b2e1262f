/** Every kind that Wherry serves without a CustomResourceDefinition, in the order in which discovery lists them. */
import { defineKind } from './define-kind.ts';
import type { KindDefinition } from './kind.ts';
import type { KubeObject, ResourceType } from './meta.ts';
import * as resources from './resources.gen.ts';

const withStatus = new Set(
  (
    'Namespace Node Pod PersistentVolume PersistentVolumeClaim ReplicationController ResourceQuota Service ' +
    'DaemonSet Deployment ReplicaSet StatefulSet HorizontalPodAutoscaler CronJob Job Ingress ServiceCIDR ' +
    'PodDisruptionBudget CertificateSigningRequest PodCertificateRequest CustomResourceDefinition APIService ' +
    'FlowSchema PriorityLevelConfiguration ResourceClaim VolumeAttachment ValidatingAdmissionPolicy ' +
    'StorageVersion StorageVersionMigration'
  ).split(' '),
);
const scalable = { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas' };
const scale: Record<string, KindDefinition['scale']> = {
  Deployment: scalable,
  ReplicaSet: scalable,
  StatefulSet: scalable,
  ReplicationController: scalable,
};
const createOnly: readonly string[] = ['create'];
const verbs: Record<string, readonly string[]> = {
  Binding: createOnly,
  ComponentStatus: ['get', 'list'],
  SelfSubjectReview: createOnly,
  TokenReview: createOnly,
  LocalSubjectAccessReview: createOnly,
  SelfSubjectAccessReview: createOnly,
  SelfSubjectRulesReview: createOnly,
  SubjectAccessReview: createOnly,
};
const versions: Record<string, readonly (string | { group: string; version: string })[]> = {
  Event: [
    { group: 'events.k8s.io', version: 'v1' },
    { group: 'events.k8s.io', version: 'v1beta1' },
  ],
  ControllerRevision: ['v1beta2', 'v1beta1'],
  DaemonSet: ['v1beta2', { group: 'extensions', version: 'v1beta1' }],
  Deployment: ['v1beta2', 'v1beta1', { group: 'extensions', version: 'v1beta1' }],
  ReplicaSet: ['v1beta2', { group: 'extensions', version: 'v1beta1' }],
  StatefulSet: ['v1beta2', 'v1beta1'],
  CronJob: ['v1beta1', 'v2alpha1'],
  HorizontalPodAutoscaler: ['v1', 'v2beta2', 'v2beta1'],
  PodDisruptionBudget: ['v1beta1'],
  Ingress: ['v1beta1', { group: 'extensions', version: 'v1beta1' }],
  NetworkPolicy: [{ group: 'extensions', version: 'v1beta1' }],
};

function stored(type: ResourceType): KindDefinition {
  return defineKind(type, {
    status: withStatus.has(type.kind) ? 'separate' : 'none',
    ...(scale[type.kind] && { scale: scale[type.kind] }),
    ...(verbs[type.kind] && { verbs: verbs[type.kind] }),
    versions: versions[type.kind] ?? [],
    hasGeneration: withStatus.has(type.kind),
  });
}

export const builtinKinds: readonly KindDefinition[] = (
  Object.values(resources) as ResourceType<KubeObject>[]
)
  .filter((type) => type.group !== 'events.k8s.io')
  .map(stored);
