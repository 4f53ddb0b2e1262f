/** Go structs that others embed: their fields stand among those of the outer one, but errors name the way through them. */

interface Embedding {
  names: readonly string[];
  /** Whether a field of the outer struct is one of the inner. */
  holds(field: string): boolean;
}

const only = (names: string[], ...fields: string[]): Embedding => ({
  names,
  holds: (field) => fields.includes(field),
});
const allBut = (names: string[], ...fields: string[]): Embedding => ({
  names,
  holds: (field) => !fields.includes(field),
});

const reference = only(['LocalObjectReference'], 'name');

const configuration = only(['DeviceConfiguration'], 'opaque');

const embeddings: Readonly<Record<string, Embedding>> = {
  ConfigMapEnvSource: reference,
  ConfigMapKeySelector: reference,
  ConfigMapProjection: reference,
  ConfigMapVolumeSource: reference,
  SecretEnvSource: reference,
  SecretKeySelector: reference,
  SecretProjection: reference,
  DeviceAllocationConfiguration: configuration,
  DeviceClaimConfiguration: configuration,
  DeviceClassConfiguration: configuration,
  IngressRule: only(['IngressRuleValue'], 'http'),
  EphemeralContainer: allBut(['EphemeralContainerCommon'], 'targetContainerName'),
  PersistentVolumeSpec: allBut(
    ['PersistentVolumeSource'],
    'accessModes',
    'capacity',
    'claimRef',
    'mountOptions',
    'nodeAffinity',
    'persistentVolumeReclaimPolicy',
    'storageClassName',
    'volumeAttributesClassName',
    'volumeMode',
  ),
  Probe: only(['ProbeHandler'], 'exec', 'grpc', 'httpGet', 'tcpSocket'),
  RuleWithOperations: allBut(['Rule'], 'operations'),
  NamedRuleWithOperations: only(
    ['RuleWithOperations', 'Rule'],
    'apiGroups',
    'apiVersions',
    'resources',
    'scope',
  ),
  Volume: allBut(['VolumeSource'], 'name'),
};

/** The embedded structs between a struct and one of its fields. */
export function embeddedAt(struct: string | undefined, field: string): readonly string[] {
  const embedding = struct === undefined ? undefined : embeddings[struct];
  return embedding?.holds(field) ? embedding.names : [];
}
