/** The files of configMap, secret, downwardAPI and projected volumes. */
import { ConfigMap, type Pod, Secret } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { messageOf } from '../../../base/text/error-message.ts';
import type { ObjectSource } from '../../object-source.ts';
import { fieldValue, type NodeFacts, resourceValue } from '../../spec/field-paths.ts';
import type { Payload, PayloadFile } from './atomic-writer.ts';
import type { TokenSource } from './token-source.ts';
import { trustAnchors } from './trust-anchors.ts';

export interface PayloadInputs {
  pod: Pod;
  objects: Pick<ObjectSource, 'get' | 'select'>;
  tokens: TokenSource;
  node: NodeFacts;
}

const defaultMode = 0o644;

/** Undefined for a volume of another kind. @throws Error in upstream's words */
export async function computePayload(
  volume: core.Volume,
  inputs: PayloadInputs,
): Promise<Payload | undefined> {
  const files = new Map<string, PayloadFile>();
  if (volume.configMap) await addConfigMap(files, inputs, volume.configMap, volume.configMap.defaultMode);
  else if (volume.secret) {
    const { secretName, items, optional, defaultMode: mode } = volume.secret;
    const source = { name: secretName ?? '', ...(items && { items }), ...(optional && { optional }) };
    await addSecret(files, inputs, source, mode);
  } else if (volume.downwardAPI)
    addDownward(files, inputs, volume.downwardAPI, volume.downwardAPI.defaultMode);
  else if (volume.projected) await addProjected(files, inputs, volume.projected);
  else return undefined;
  return files;
}

async function addProjected(
  files: Map<string, PayloadFile>,
  inputs: PayloadInputs,
  { sources, defaultMode: mode }: core.ProjectedVolumeSource,
): Promise<void> {
  const problems = new Map<string, unknown>();
  for (const source of sources ?? []) {
    try {
      await addSource(files, inputs, source, mode);
    } catch (error) {
      problems.set(messageOf(error), error);
    }
  }
  const [first] = problems.values();
  if (problems.size === 1) throw first;
  if (problems.size > 1) throw new Error(`[${[...problems.keys()].join(', ')}]`, { cause: first });
}

async function addSource(
  files: Map<string, PayloadFile>,
  inputs: PayloadInputs,
  source: core.VolumeProjection,
  mode: number | undefined,
): Promise<void> {
  if (source.configMap) await addConfigMap(files, inputs, source.configMap, mode);
  else if (source.secret) await addSecret(files, inputs, source.secret, mode);
  else if (source.downwardAPI) addDownward(files, inputs, source.downwardAPI, mode);
  else if (source.serviceAccountToken) await addToken(files, inputs, source.serviceAccountToken, mode);
  else if (source.clusterTrustBundle) await addTrustBundle(files, inputs, source.clusterTrustBundle, mode);
  // An empty file in its place would tell the pod that the signer has no certificates.
  else if (source.podCertificate) throw new Error('podCertificate sources are not supported by this node');
}

async function addConfigMap(
  files: Map<string, PayloadFile>,
  inputs: PayloadInputs,
  source: core.ConfigMapProjection,
  mode: number | undefined,
): Promise<void> {
  const namespace = inputs.pod.metadata.namespace ?? '';
  const name = source.name ?? '';
  const found = await inputs.objects.get(ConfigMap, { namespace, name });
  if (!found) {
    if (source.optional) return;
    throw new Error(`configmap "${name}" not found`);
  }
  const data = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found.data ?? {})) data.set(key, Buffer.from(text));
  for (const [key, base64] of Object.entries(found.binaryData ?? {}))
    data.set(key, Buffer.from(base64, 'base64'));
  addItems(files, data, { ...source, mode, missing: 'configmap references non-existent config key' });
}

async function addSecret(
  files: Map<string, PayloadFile>,
  inputs: PayloadInputs,
  source: core.SecretProjection,
  mode: number | undefined,
): Promise<void> {
  const namespace = inputs.pod.metadata.namespace ?? '';
  const name = source.name ?? '';
  const found = await inputs.objects.get(Secret, { namespace, name });
  if (!found) {
    if (source.optional) return;
    throw new Error(`secret "${name}" not found`);
  }
  const data = new Map(
    Object.entries(found.data ?? {}).map(([key, base64]) => [
      key,
      Buffer.from(base64, 'base64') as Uint8Array,
    ]),
  );
  addItems(files, data, { ...source, mode, missing: 'references non-existent secret key' });
}

interface ItemChoice {
  /** Absent or empty: all. */
  items?: readonly core.KeyToPath[];
  optional?: boolean;
  mode: number | undefined;
  /** The error for a missing key. */
  missing: string;
}

function addItems(
  files: Map<string, PayloadFile>,
  data: ReadonlyMap<string, Uint8Array>,
  { items, optional, mode, missing }: ItemChoice,
): void {
  if (!items?.length) {
    for (const [key, bytes] of data) files.set(key, { data: bytes, mode: mode ?? defaultMode });
    return;
  }
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes) files.set(item.path, { data: bytes, mode: item.mode ?? mode ?? defaultMode });
    else if (!optional) throw new Error(`${missing}: ${item.key}`);
  }
}

function addDownward(
  files: Map<string, PayloadFile>,
  { pod, node }: PayloadInputs,
  source: core.DownwardAPIProjection,
  mode: number | undefined,
): void {
  const podIps = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  for (const item of source.items ?? []) {
    let text = '';
    if (item.fieldRef) text = fieldValue(pod, item.fieldRef.fieldPath, node, podIps);
    else if (item.resourceFieldRef) {
      const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
      const container = all.find(({ name }) => name === item.resourceFieldRef?.containerName);
      if (!container) throw new Error(`container ${item.resourceFieldRef.containerName} not found`);
      text = resourceValue(pod, container, item.resourceFieldRef, node);
    }
    files.set(item.path, { data: Buffer.from(text), mode: item.mode ?? mode ?? defaultMode });
  }
}

async function addToken(
  files: Map<string, PayloadFile>,
  { pod, tokens }: PayloadInputs,
  source: core.ServiceAccountTokenProjection,
  mode: number | undefined,
): Promise<void> {
  const token = await tokens.tokenFor(pod, source);
  files.set(source.path, { data: Buffer.from(token), ...ownershipOf(pod, mode) });
}

/** For files that only the pod should read: owned by its only user, if there is one. */
function ownershipOf(pod: Pod, mode: number | undefined): Pick<PayloadFile, 'mode' | 'uid'> {
  const owner = onlyUser(pod);
  const isPrivate = owner !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
  return { mode: isPrivate ? 0o600 : (mode ?? defaultMode), ...(owner !== undefined && { uid: owner }) };
}

/** The user that all containers of the pod run as, if the pod's spec names one. */
function onlyUser(pod: Pod): number | undefined {
  const users = new Set(
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(
      (container) => container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser,
    ),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

async function addTrustBundle(
  files: Map<string, PayloadFile>,
  { objects, pod }: PayloadInputs,
  source: core.ClusterTrustBundleProjection,
  mode: number | undefined,
): Promise<void> {
  const data = Buffer.from(await trustAnchors(objects, source));
  files.set(source.path, { data, ...ownershipOf(pod, mode) });
}
