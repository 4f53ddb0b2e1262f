/** ServiceAccount: every pod runs as one, with its token mounted unless that is turned off. */

import { isMirror } from '../../../api/core/pod/mirror.ts';
import { podReferences } from '../../../api/core/pod/pod-references.ts';
import { reportedName } from '../../../api/meta.ts';
import { Pod, ServiceAccount } from '../../../api/resources.gen.ts';
import { forbidden, type StatusError } from '../../../api/status.ts';
import type { Random } from '../../../base/random.ts';
import type { ObjectReader } from '../../object-reader.ts';
import { type AdmissionPlugin, writesOf } from '../admission.ts';
import { isPodWrite } from '../writes.ts';

type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];
/** What secrets are read from the environment of. */
type SecretUser = Pick<Container, 'name' | 'env' | 'envFrom'>;

const defaultAccountName = 'default';
const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumeNamePrefix = 'kube-api-access-';
const tokenExpirationSeconds = 3607;
const enforceSecretsAnnotation = 'kubernetes.io/enforce-mountable-secrets';
/** As Go reads booleans. */
const truths = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);

export function serviceAccount(objects: ObjectReader, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(Pod), writesOf(Pod, 'ephemeralcontainers')],
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
      const isDebugging = attributes.request.subresource === 'ephemeralcontainers';
      if (!isDebugging && !isPodWrite(attributes, 'CREATE')) return;
      const pod = attributes.object as Pod;
      if (!pod.spec) return;
      if (!isDebugging && isMirror(pod)) return checkMirror(pod);
      const account = findAccount(objects, pod, attributes.request.namespace);
      if (!truths.has(account.metadata.annotations?.[enforceSecretsAnnotation] ?? '')) return;
      checkSecrets(pod, account, isDebugging ? unlistedInDebuggers : unlistedSecrets);
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
  if (podReferences(pod).secrets.length > 0) throw refuse(pod, 'a mirror pod may not reference secrets');
  for (const volume of spec.volumes ?? []) {
    if (volume.projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken))
      throw refuse(pod, 'a mirror pod may not use ServiceAccountToken volume projections');
  }
}

/** Only for accounts that carry the annotation: pods may use no secret that the account does not list. */
function checkSecrets(
  pod: Pod,
  account: ServiceAccount,
  unlisted: (spec: PodSpec, account: ServiceAccount) => Iterable<string>,
): void {
  for (const why of unlisted(pod.spec!, account)) throw refuse(pod, why);
}

function* unlistedSecrets(spec: PodSpec, account: ServiceAccount): Generator<string> {
  const listed = namesOf(account.secrets);
  for (const { secret } of spec.volumes ?? [])
    if (secret?.secretName && !listed.has(secret.secretName))
      yield `volume with secret.secretName=${JSON.stringify(secret.secretName)} is not allowed ${because(account)} secret`;
  yield* unlistedIn('init container', spec.initContainers, account);
  yield* unlistedIn('container', spec.containers, account);
  const pullSecrets = namesOf(account.imagePullSecrets);
  for (const [index, { name }] of (spec.imagePullSecrets ?? []).entries())
    if (!pullSecrets.has(name))
      yield `imagePullSecrets[${index}].name=${JSON.stringify(name)} is not allowed ${because(account)} imagePullSecret`;
}

function unlistedInDebuggers({ ephemeralContainers }: PodSpec, account: ServiceAccount): Iterable<string> {
  return unlistedIn('ephemeral container', ephemeralContainers, account);
}

function* unlistedIn(
  what: string,
  containers: readonly SecretUser[] | undefined,
  account: ServiceAccount,
): Generator<string> {
  const listed = namesOf(account.secrets);
  for (const container of containers ?? [])
    for (const { secret, text } of secretsOf(container))
      if (secret && !listed.has(secret)) yield `${what} ${text} is not allowed ${because(account)} secret`;
}

function namesOf(references: readonly { name?: string }[] | undefined): ReadonlySet<string | undefined> {
  return new Set((references ?? []).map(({ name }) => name));
}

function because({ metadata }: ServiceAccount): string {
  return `because service account ${metadata.name} does not reference that`;
}

/** The secrets in a container's environment, and upstream's words for their use. */
function* secretsOf({
  name,
  env,
  envFrom,
}: SecretUser): Generator<{ secret: string | undefined; text: string }> {
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
