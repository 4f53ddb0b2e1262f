/** The names under which the cluster's own provisioner makes volumes: its own, and those of well-known manifests. */
export const ownProvisioner = 'wherry.dev/hostpath';

export const ownProvisioners: ReadonlySet<string> = new Set([
  ownProvisioner,
  'k8s.io/minikube-hostpath',
  'rancher.io/local-path',
]);
