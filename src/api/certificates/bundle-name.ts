/** Names of ClusterTrustBundles: those of a signer begin with it. */
import { subdomainProblems } from '../validation/names.ts';

/** What is wrong with the name of a bundle of `signer`; of none when empty. */
export function bundleNameProblems(name: string, signer: string): readonly string[] {
  if (!signer)
    return name.includes(':')
      ? ['ClusterTrustBundle without signer name must not have ":" in its name']
      : subdomainProblems(name);
  const prefix = `${signer.replaceAll('/', ':')}:`;
  return name.startsWith(prefix)
    ? subdomainProblems(name.slice(prefix.length))
    : [`ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`];
}

/** The signer that a name begins with; empty when there is none. */
export function signerOfBundleName(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf(':'))).replaceAll(':', '/');
}
