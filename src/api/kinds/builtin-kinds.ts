/** Every kind that Wherry serves without a CustomResourceDefinition, group by group. */
import {
  mutatingAdmissionPolicyKind,
  validatingAdmissionPolicyKind,
} from '../admissionregistration/admission-policy.ts';
import {
  mutatingAdmissionPolicyBindingKind,
  validatingAdmissionPolicyBindingKind,
} from '../admissionregistration/admission-policy-binding.ts';
import {
  mutatingWebhookConfigurationKind,
  validatingWebhookConfigurationKind,
} from '../admissionregistration/webhook-configuration.ts';
import { customResourceDefinitionKind } from '../apiextensions/custom-resource-definition.ts';
import { apiServiceKind } from '../apiregistration/api-service.ts';
import { storageVersionKind } from '../apiserverinternal/storage-version.ts';
import { controllerRevisionKind } from '../apps/controller-revision.ts';
import { daemonSetKind } from '../apps/daemon-set.ts';
import { deploymentKind } from '../apps/deployment.ts';
import { replicaSetKind } from '../apps/replica-set.ts';
import { statefulSetKind } from '../apps/stateful-set.ts';
import { selfSubjectReviewKind, tokenReviewKind } from '../authentication/reviews.ts';
import {
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
} from '../authorization/reviews.ts';
import { horizontalPodAutoscalerKind } from '../autoscaling/horizontal-pod-autoscaler.ts';
import { cronJobKind } from '../batch/cron-job.ts';
import { jobKind } from '../batch/job.ts';
import { certificateSigningRequestKind } from '../certificates/certificate-signing-request.ts';
import { clusterTrustBundleKind } from '../certificates/cluster-trust-bundle.ts';
import { podCertificateRequestKind } from '../certificates/pod-certificate-request.ts';
import { leaseKind } from '../coordination/lease.ts';
import { leaseCandidateKind } from '../coordination/lease-candidate.ts';
import { bindingKind } from '../core/binding.ts';
import { componentStatusKind } from '../core/component-status.ts';
import { configMapKind } from '../core/config-map.ts';
import { endpointsKind } from '../core/endpoints.ts';
import { eventKind } from '../core/event.ts';
import { limitRangeKind } from '../core/limit-range.ts';
import { namespaceKind } from '../core/namespace.ts';
import { nodeKind } from '../core/node.ts';
import { persistentVolumeKind } from '../core/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../core/persistent-volume-claim.ts';
import { podKind } from '../core/pod.ts';
import { podTemplateKind } from '../core/pod-template.ts';
import { replicationControllerKind } from '../core/replication-controller.ts';
import { resourceQuotaKind } from '../core/resource-quota.ts';
import { secretKind } from '../core/secret.ts';
import { serviceKind } from '../core/service.ts';
import { serviceAccountKind } from '../core/service-account.ts';
import { endpointSliceKind } from '../discovery/endpoint-slice.ts';
import { flowSchemaKind } from '../flowcontrol/flow-schema.ts';
import { priorityLevelConfigurationKind } from '../flowcontrol/priority-level.ts';
import { ingressKind } from '../networking/ingress.ts';
import { ingressClassKind } from '../networking/ingress-class.ts';
import { ipAddressKind } from '../networking/ip-address.ts';
import { networkPolicyKind } from '../networking/network-policy.ts';
import { serviceCidrKind } from '../networking/service-cidr.ts';
import { runtimeClassKind } from '../node/runtime-class.ts';
import { podDisruptionBudgetKind } from '../policy/pod-disruption-budget.ts';
import { podSecurityPolicyKind } from '../policy/pod-security-policy.ts';
import { clusterRoleKind, roleKind } from '../rbac/role.ts';
import { clusterRoleBindingKind, roleBindingKind } from '../rbac/role-binding.ts';
import { deviceClassKind } from '../resource/device-class.ts';
import { deviceTaintRuleKind } from '../resource/device-taint-rule.ts';
import { resourceClaimKind, resourceClaimTemplateKind } from '../resource/resource-claim.ts';
import { resourceSliceKind } from '../resource/resource-slice.ts';
import { priorityClassKind } from '../scheduling/priority-class.ts';
import { csiDriverKind } from '../storage/csi-driver.ts';
import { csiNodeKind } from '../storage/csi-node.ts';
import { csiStorageCapacityKind } from '../storage/csi-storage-capacity.ts';
import { storageClassKind } from '../storage/storage-class.ts';
import { volumeAttachmentKind } from '../storage/volume-attachment.ts';
import { volumeAttributesClassKind } from '../storage/volume-attributes-class.ts';
import { storageVersionMigrationKind } from '../storagemigration/storage-version-migration.ts';
import type { KindDefinition } from './kind.ts';

// Each definition is for its own type; in this list it is known only as that of some object.
export const builtinKinds = [
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
  mutatingAdmissionPolicyKind,
  mutatingAdmissionPolicyBindingKind,
  mutatingWebhookConfigurationKind,
  validatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  validatingWebhookConfigurationKind,
  customResourceDefinitionKind,
  apiServiceKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
  selfSubjectReviewKind,
  tokenReviewKind,
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
  horizontalPodAutoscalerKind,
  cronJobKind,
  jobKind,
  certificateSigningRequestKind,
  clusterTrustBundleKind,
  podCertificateRequestKind,
  leaseKind,
  leaseCandidateKind,
  endpointSliceKind,
  flowSchemaKind,
  priorityLevelConfigurationKind,
  storageVersionKind,
  ipAddressKind,
  ingressKind,
  ingressClassKind,
  networkPolicyKind,
  serviceCidrKind,
  runtimeClassKind,
  podDisruptionBudgetKind,
  podSecurityPolicyKind,
  clusterRoleKind,
  clusterRoleBindingKind,
  roleKind,
  roleBindingKind,
  deviceClassKind,
  deviceTaintRuleKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
  priorityClassKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
  storageVersionMigrationKind,
] as readonly KindDefinition[];
