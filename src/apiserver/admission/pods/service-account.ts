/** ServiceAccount: every pod runs as one, with its token mounted unless that is turned off. */

import { reportedName } from '../../api/meta.ts';
import { Pod, ServiceAccount } from '../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../api/status.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';
import type { Random } from '../../base/random.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isPodWrite } from './pod-write.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];

const defaultAccountName = 'default';
const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumeNamePrefix = 'kube-api-access-';
const tokenExpirationSeconds = 3607;
const enforceSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';

export function serviceAccount(objects: ObjectReader, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    operations: ['CREATE', 'UPDATE'],
    mutate(attributes) {
      if (!isPodWrite(attributes, 'CREATE')) return;
      const pod = attributes.object as Pod;
      if (!pod.spec) return;
      if (isMirror(pod)) return checkMirror(pod);
      pod.spec.serviceAccountName ||= defaultAccountName;
      pod.spec.serviceAccount = pod.spec.serviceAccountName;
      const account = findAccount(objects, pod, attributes.request.namespace);
      if (shouldMount(account, pod.spec)) mountToken(pod.spec, random);
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
        pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
    },
    validate(attributes) {
      if (!isPodWrite(attributes, 'CREATE')) return;
      const pod = attributes.object as Pod;
      if (!pod.spec) return;
      if (isMirror(pod)) return checkMirror(pod);
      const account = findAccount(objects, pod, attributes.request.namespace);
      if (account.metadata.annotations?.[enforceSecretsAnnotation] === 'true') checkSecrets(pod, account);
    },
  };
}

function isMirror(pod: Pod): boolean {
  return pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined;
}

function findAccount(objects: ObjectReader, pod: Pod, namespace: string): ServiceAccount {
  const name = pod.spec!.serviceAccountName!;
  const found = objects.get(ServiceAccount, namespace, name);
  if (found) return found;
  const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
  throw forbidden(Pod, reportedName(pod.metadata), why);
}

function shouldMount(account: ServiceAccount, spec: PodSpec): boolean {
  return spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

/** Adds the projected volume and mounts it where no container has something of its own. */
function mountToken(spec: PodSpec, random: Random): void {
  const known = spec.volumes?.find(({ name }) => name.startsWith(volumeNamePrefix));
  const name = known?.name ?? volumeNamePrefix + random.suffix(5);
  let isUsed = false;
  const mount = (container: Container): Container => {
    if (container.volumeMounts?.some(({ mountPath }) => mountPath === tokenMountPath)) return container;
    isUsed = true;
    const volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name, readOnly: true, mountPath: tokenMountPath },
    ];
    return { ...container, volumeMounts };
  };
  if (spec.initContainers) spec.initContainers = spec.initContainers.map(mount);
  spec.containers = spec.containers?.map(mount);
  if (isUsed && !known) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function tokenVolume(name: string): NonNullable<PodSpec['volumes']>[number] {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenExpirationSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}

function refuse(pod: Pod, why: string): StatusError {
  return forbidden(Pod, reportedName(pod.metadata), why);
}

function checkMirror(pod: Pod): void {
  const spec = pod.spec!;
  if (spec.serviceAccountName) throw refuse(pod, 'a mirror pod may not reference service accounts');
  for (const volume of spec.volumes ?? []) {
    if (volume.secret) throw refuse(pod, 'a mirror pod may not reference secrets');
    if (volume.projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken))
      throw refuse(pod, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}

/** Only for accounts that carry the annotation: pods may use no secret that the account does not list. */
function checkSecrets(pod: Pod, account: ServiceAccount): void {
  const spec = pod.spec!;
  const listed = new Set((account.secrets ?? []).map(({ name }) => name));
  const { name } = account.metadata;
  const missing = (what: string) =>
    `${what} is not allowed because service account ${name} does not reference that secret`;
  for (const { secret } of spec.volumes ?? [])
    if (secret?.secretName && !listed.has(secret.secretName))
      throw refuse(pod, missing(`volume with secret.secretName=${JSON.stringify(secret.secretName)}`));
  const groups = [
    { word: 'init container', containers: spec.initContainers },
    { word: 'container', containers: spec.containers },
  ];
  for (const { word, containers } of groups)
    for (const container of containers ?? []) {
      for (const { name: variable, valueFrom } of container.env ?? []) {
        const used = valueFrom?.secretKeyRef?.name;
        if (used && !listed.has(used))
          throw refuse(
            pod,
            missing(
              `${word} ${container.name} with envVar ${variable} referencing secret.secretName=${JSON.stringify(used)}`,
            ),
          );
      }
      for (const { secretRef } of container.envFrom ?? [])
        if (secretRef?.name && !listed.has(secretRef.name))
          throw refuse(
            pod,
            missing(
              `${word} ${container.name} with envFrom referencing secret.secretName=${JSON.stringify(secretRef.name)}`,
            ),
          );
    }
  const pullSecrets = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  for (const [index, secret] of (spec.imagePullSecrets ?? []).entries())
    if (!pullSecrets.has(secret.name))
      throw refuse(
        pod,
        `imagePullSecrets[${index}].name=${JSON.stringify(secret.name)} is not allowed because service account ${name} does not reference that imagePullSecret`,
      );
}
