/** Defaults of a pod spec that its schema cannot say. They hold for pods and for every template of pods. */
import type {
  Container,
  DownwardAPIVolumeFile,
  EphemeralContainer,
  PodSpec,
  PodTemplateSpec,
  Probe,
  Volume,
} from '../../types/core-v1.gen.ts';
import { parseImageReference } from './image-reference.ts';

const fileMode = 0o644;
const terminationMessagePath = '/dev/termination-log';

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec);
}

/** `isPod`: in the host's network, its ports are ports of the host. A template is left as it is. */
export function defaultPodSpec(spec: PodSpec, { isPod = false } = {}): void {
  spec.restartPolicy ??= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ||= 'default-scheduler';
  // The deprecated alias follows the name; given alone it is the name.
  // (Assigned only when it differs: the spec may be the stored one, which is frozen.)
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account && spec.serviceAccountName !== account) spec.serviceAccountName = account;
  if (account && spec.serviceAccount !== account) spec.serviceAccount = account;
  if (spec.volumes) for (const volume of spec.volumes) defaultVolume(volume);
  for (const list of [spec.initContainers, spec.containers])
    if (list)
      for (const container of list) {
        defaultContainer(container);
        if (isPod && spec.hostNetwork) defaultHostPorts(container);
      }
  if (spec.ephemeralContainers) for (const container of spec.ephemeralContainers) defaultContainer(container);
}

function defaultHostPorts({ ports }: Container): void {
  for (const port of ports ?? [])
    if (!port.hostPort && port.hostPort !== port.containerPort) port.hostPort = port.containerPort;
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.resources ??= {};
  container.terminationMessagePath ||= terminationMessagePath;
  container.terminationMessagePolicy ||= 'File';
  container.imagePullPolicy ||= pullPolicyOf(container.image);
  if (container.ports) for (const port of container.ports) port.protocol ||= 'TCP';
  if (container.env)
    for (const { valueFrom } of container.env) {
      if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1';
      if (valueFrom?.resourceFieldRef) valueFrom.resourceFieldRef.divisor ??= '0';
    }
  if (container.livenessProbe) defaultProbe(container.livenessProbe);
  if (container.readinessProbe) defaultProbe(container.readinessProbe);
  if (container.startupProbe) defaultProbe(container.startupProbe);
  defaultHttpGet(container.lifecycle?.postStart);
  defaultHttpGet(container.lifecycle?.preStop);
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe);
}

function defaultHttpGet(handler: { httpGet?: { path?: string; scheme?: string } } | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

/** Images without a tag or a digest, and those tagged `latest`, are looked for again each time. */
export function pullPolicyOf(image: string | undefined): 'Always' | 'IfNotPresent' {
  return parseImageReference(image ?? '')?.tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultVolume(volume: Volume): void {
  if (hasNoSource(volume)) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= fileMode;
  if (volume.configMap) volume.configMap.defaultMode ??= fileMode;
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= fileMode;
    defaultDownwardFiles(volume.downwardAPI.items);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= fileMode;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
      defaultDownwardFiles(source.downwardAPI?.items);
    }
  }
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default';
  if (volume.rbd) {
    volume.rbd.pool ||= 'rbd';
    volume.rbd.user ||= 'admin';
    volume.rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ||= 'ReadWrite';
    volume.azureDisk.kind ||= 'Shared';
    volume.azureDisk.fsType ??= 'ext4';
    volume.azureDisk.readOnly ??= false;
  }
  if (volume.scaleIO) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned';
    volume.scaleIO.fsType ||= 'xfs';
  }
  if (volume.image) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference);
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) claim.volumeMode ??= 'Filesystem';
}

function hasNoSource(volume: Volume): boolean {
  for (const key in volume)
    if (key !== 'name' && volume[key as keyof Volume] !== undefined && volume[key as keyof Volume] !== null)
      return false;
  return true;
}

function defaultDownwardFiles(items: DownwardAPIVolumeFile[] | undefined): void {
  for (const item of items ?? []) {
    if (item.fieldRef) item.fieldRef.apiVersion ||= 'v1';
    if (item.resourceFieldRef) item.resourceFieldRef.divisor ??= '0';
  }
}
