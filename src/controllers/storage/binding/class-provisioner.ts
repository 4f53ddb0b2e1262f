/** Who makes the volumes of a class: upstream's rules on provisioners that it once contained itself. */

/** Those that moved to CSI drivers, which are asked under the driver's name. */
const drivers: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'kubernetes.io/aws-ebs': 'ebs.csi.aws.com',
    'kubernetes.io/azure-disk': 'disk.csi.azure.com',
    'kubernetes.io/azure-file': 'file.csi.azure.com',
    'kubernetes.io/cinder': 'cinder.csi.openstack.org',
    'kubernetes.io/gce-pd': 'pd.csi.storage.gke.io',
    'kubernetes.io/portworx-volume': 'pxd.portworx.com',
    'kubernetes.io/vsphere-volume': 'csi.vsphere.vmware.com',
  }),
);

/** Kinds of volumes that upstream still contains, and why it makes none. */
const unwilling: Readonly<Record<string, string>> = {
  'kubernetes.io/host-path':
    'Failed to create provisioner: provisioning in volume plugin "kubernetes.io/host-path" is disabled',
  'kubernetes.io/nfs': 'no provisionable volume plugin matched',
};

/** `name`: of the provisioner to wait for. `problem`: why there is none, in upstream's words. */
export function findProvisioner(provisioner: string): { name: string } | { problem: string } {
  const driver = drivers.get(provisioner);
  if (driver !== undefined) return { name: driver };
  if (!provisioner.startsWith('kubernetes.io/')) return { name: provisioner };
  return { problem: unwilling[provisioner] ?? `no volume plugin matched name: ${provisioner}` };
}
