/** Every kind that Wherry serves without a CustomResourceDefinition, in the order in which discovery lists them. */
import { controllerRevisionKind } from './apps/controller-revision.ts';
import { daemonSetKind } from './apps/daemon-set.ts';
import { deploymentKind } from './apps/deployment.ts';
import { replicaSetKind } from './apps/replica-set.ts';
import { statefulSetKind } from './apps/stateful-set.ts';
import { bindingKind, componentStatusKind } from './core/binding.ts';
import { configMapKind } from './core/config-map.ts';
import { endpointsKind } from './core/endpoints.ts';
import { eventKind } from './core/event.ts';
import { limitRangeKind } from './core/limit-range.ts';
import { namespaceKind } from './core/namespace.ts';
import { nodeKind } from './core/node.ts';
import { persistentVolumeKind } from './core/persistent-volume.ts';
import { persistentVolumeClaimKind } from './core/persistent-volume-claim.ts';
import { podKind } from './core/pod.ts';
import { podTemplateKind } from './core/pod-template.ts';
import { replicationControllerKind } from './core/replication-controller.ts';
import { resourceQuotaKind } from './core/resource-quota.ts';
import { secretKind } from './core/secret.ts';
import { serviceKind } from './core/service.ts';
import { serviceAccountKind } from './core/service-account.ts';
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

const own: readonly KindDefinition[] = [
  bindingKind,
  componentStatusKind,
  configMapKind,
  endpointsKind,
  eventKind,
  limitRangeKind,
  namespaceKind,
  nodeKind,
  persistentVolumeKind,
  persistentVolumeClaimKind,
  podKind,
  podTemplateKind,
  replicationControllerKind,
  resourceQuotaKind,
  secretKind,
  serviceKind,
  serviceAccountKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
] as readonly KindDefinition[];
const described = new Set<ResourceType>(own.map((kind) => kind.type));

export const builtinKinds: readonly KindDefinition[] = [
  ...own,
  ...(Object.values(resources) as ResourceType<KubeObject>[])
    .filter((type) => type.group !== 'events.k8s.io' && !described.has(type))
    .map(stored),
];
