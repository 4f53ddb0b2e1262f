/** A pod's hostname, and its hosts file. Pure. */
import type { Pod } from '../../api/resources.gen.ts';

const hostnameMax = 63;
/** Linux's limit for a hostname. */
const kernelNameMax = 64;

/** The kernel's hostname inside the pod. */
export function hostnameOf(pod: Pod, clusterDomain: string): string {
  if (pod.spec.hostnameOverride) return pod.spec.hostnameOverride;
  const short = shortHostnameOf(pod);
  if (!pod.spec.setHostnameAsFQDN || !pod.spec.subdomain) return short;
  return `${short}.${domainOf(pod, clusterDomain)}`;
}

/** Upstream's message about a full name that the kernel does not accept. */
export function hostnameProblem(pod: Pod, clusterDomain: string): string | undefined {
  const name = hostnameOf(pod, clusterDomain);
  if (name.length <= kernelNameMax) return undefined;
  return `failed to construct FQDN from pod hostname and cluster domain, FQDN ${name} is too long (${kernelNameMax} characters is the max, ${name.length} characters requested)`;
}

function shortHostnameOf(pod: Pod): string {
  if (pod.spec.hostname) return pod.spec.hostname;
  return pod.metadata.name.slice(0, hostnameMax).replace(/[-.]+$/, '');
}

function domainOf(pod: Pod, clusterDomain: string): string {
  return `${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
}

/** `hostHosts`: the node's file, which a pod on the host's network sees. */
export function hostsFileOf(
  pod: Pod,
  options: { podIps: readonly string[]; clusterDomain: string; hostHosts: string },
): string {
  const lines: string[] = [];
  if (pod.spec.hostNetwork)
    lines.push('# Kubernetes-managed hosts file (host network).', options.hostHosts.trimEnd());
  else {
    lines.push(
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
    );
    const names = hostsNamesOf(pod, options.clusterDomain);
    for (const ip of options.podIps) lines.push(`${ip}\t${names}`);
  }
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.');
    for (const { ip, hostnames = [] } of aliases) lines.push(`${ip}\t${hostnames.join('\t')}`);
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The names of the pod's own addresses; the hostname override stands alone, so that `hostname -f` gives the same as
 * `hostname`.
 */
function hostsNamesOf(pod: Pod, clusterDomain: string): string {
  if (pod.spec.hostnameOverride) return pod.spec.hostnameOverride;
  const short = shortHostnameOf(pod);
  return pod.spec.subdomain ? `${short}.${domainOf(pod, clusterDomain)}\t${short}` : short;
}
