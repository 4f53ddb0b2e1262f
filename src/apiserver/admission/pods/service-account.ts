/** ServiceAccount: every pod runs as one, with its token mounted unless that is turned off. */

import { isMirror } from '../../../api/core/pod/mirror.ts';
import { reportedName } from '../../../api/meta.ts';
import { Pod, ServiceAccount } from '../../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../../api/status.ts';
import type { Random } from '../../../base/random.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionPlugin, writesOf } from '../admission.ts';
import { isPodWrite } from '../writes.ts';

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
    resources: [writesOf(Pod)],
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
  for (const why of unlistedSecrets(pod.spec!, account)) throw refuse(pod, why);
}

function* unlistedSecrets(spec: PodSpec, account: ServiceAccount): Generator<string> {
  const listed = new Set((account.secrets ?? []).map(({ name }) => name));
  const isUnlisted = (secret: string | undefined) => Boolean(secret) && !listed.has(secret);
  const because = `because service account ${account.metadata.name} does not reference that`;
  for (const { secret } of spec.volumes ?? [])
    if (isUnlisted(secret?.secretName))
      yield `volume with secret.secretName=${JSON.stringify(secret?.secretName)} is not allowed ${because} secret`;
  for (const container of spec.initContainers ?? [])
    for (const use of secretsOf(container))
      if (isUnlisted(use.secret)) yield `init container ${use.text} is not allowed ${because} secret`;
  for (const container of spec.containers)
    for (const use of secretsOf(container))
      if (isUnlisted(use.secret)) yield `container ${use.text} is not allowed ${because} secret`;
  const pullSecrets = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  for (const [index, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!pullSecrets.has(name))
      yield `imagePullSecrets[${index}].name=${JSON.stringify(name)} is not allowed ${because} imagePullSecret`;
}

/** The secrets in a container's environment, and upstream's words for their use. */
function* secretsOf({
  name,
  env,
  envFrom,
}: Container): Generator<{ secret: string | undefined; text: string }> {
  for (const { name: variable, valueFrom } of env ?? []) {
    const secret = valueFrom?.secretKeyRef?.name;
    const text = `${name} with envVar ${variable} referencing secret.secretName=${JSON.stringify(secret)}`;
    yield { secret, text };
  }
  for (const { secretRef } of envFrom ?? []) {
    const secret = secretRef?.name;
    yield { secret, text: `${name} with envFrom referencing secret.secretName=${JSON.stringify(secret)}` };
  }
}
