/** Cases whose answer is another one in Kubernetes 1.36, with the reason. */
export const knownDifferences: Readonly<Record<string, string>> = {
  'verbs-deletecollection-services': 'services can be deleted as a collection since 1.22',
  'patch-json-replace-absent': 'a replace of a JSON patch on an absent path fails',
  'discovery-resources-v1': 'the eviction subresource is of policy/v1',
  'discovery-group-autoscaling': 'autoscaling/v2 is preferred',
  'subresources-ephemeral-containers-absent': 'the subresource was behind a gate, and so not found at all',
  'validation-v1-service-cluster-ip-out-of-range': 'another allocator, with words of its own',
  'subresources-scale-table': 'a scale has a table of its own since 1.24',
  'tables-flowcontrol-v1beta1-prioritylevelconfiguration': 'the column is NominalConcurrencyShares today',
  'tables-v1-serviceaccount': 'accounts no longer have secrets of their own to count',
  'crd-invalid-items-type': 'paths within lists of custom resources name the index',
  'crd-invalid-list-map-key-missing': 'paths within lists of custom resources name the index',
};
