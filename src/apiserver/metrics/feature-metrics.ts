/**
 * Which of upstream's gates of the API server hold here, as a metric: by it clients and their tests tell what they may
 * rely on. Only those stand here that this server has a say in.
 */
import type { MetricsRegistry } from '../../base/metrics.ts';

type Stage = 'ALPHA' | 'BETA' | 'DEPRECATED' | '';

/** With the stages of 1.36; what is stable has none. */
const on: Readonly<Record<string, Stage>> = {
  APIResponseCompression: 'BETA',
  APIServerIdentity: 'BETA',
  AnonymousAuthConfigurableEndpoints: '',
  AuthorizeWithSelectors: '',
  CRDValidationRatcheting: '',
  ComponentFlagz: 'BETA',
  ComponentStatusz: 'BETA',
  ConsistentListFromCache: '',
  ConstrainedImpersonation: 'BETA',
  CustomResourceFieldSelectors: '',
  MutatingAdmissionPolicy: '',
  OpenAPIEnums: 'BETA',
  RemoteRequestHeaderUID: 'BETA',
  RetryGenerateName: '',
  StorageVersionHash: 'BETA',
  StructuredAuthenticationConfiguration: '',
  WatchList: 'BETA',
};

const off: Readonly<Record<string, Stage>> = {
  AllowUnsafeMalformedObjectDeletion: 'ALPHA',
  CBORServingAndStorage: 'ALPHA',
  CoordinatedLeaderElection: 'BETA',
  KMSv1: 'DEPRECATED',
  ManifestBasedAdmissionControlConfig: 'ALPHA',
  ShardedListAndWatch: 'ALPHA',
  StorageVersionAPI: 'ALPHA',
  UnknownVersionInteroperabilityProxy: 'BETA',
};

export function collectFeatures(metrics: MetricsRegistry): void {
  const samples = [...samplesOf(on, 1), ...samplesOf(off, 0)];
  metrics.collected(
    'kubernetes_feature_enabled',
    'Whether a feature of Kubernetes is there, by its stage.',
    () => samples,
  );
}

function samplesOf(gates: Readonly<Record<string, Stage>>, value: number) {
  return Object.entries(gates).map(([name, stage]) => ({ labels: { name, stage }, value }));
}
