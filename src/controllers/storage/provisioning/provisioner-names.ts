/** The names of the cluster's own provisioner: its own, and those used in well-known manifests. */
export const ownProvisioner = 'wherry.dev/hostpath';

export const ownProvisioners: ReadonlySet<string> = new Set([
  ownProvisioner,
  'k8s.io/minikube-hostpath',
  'rancher.io/local-path',
]);
