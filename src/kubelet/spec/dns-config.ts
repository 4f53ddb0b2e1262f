/** The resolver configuration of a pod, by its DNS policy. Pure. */
import type { Pod } from '../../api/resources.gen.ts';

export interface ResolverConfig {
  servers: string[];
  searches: string[];
  options: string[];
}

export interface DnsInputs {
  clusterDns: readonly string[];
  clusterDomain: string;
  /** The node's own configuration. */
  host: ResolverConfig;
}

/** Limits of the C library's resolver, as upstream enforces them. */
const serversMax = 3;
const searchesMax = 32;
const searchLineMax = 2048;
/** A longer one ends programs that use some versions of the C library. */
const searchMax = 253;

/** What the pod's owner should know about its configuration: the reason and the message of an event. */
export interface DnsProblem {
  reason: 'MissingClusterDNS' | 'DNSConfigForming';
  message: string;
}

export function resolverConfigOf(
  pod: Pod,
  { clusterDns, clusterDomain, host }: DnsInputs,
): { config: ResolverConfig; problems: DnsProblem[] } {
  const { dnsPolicy = 'ClusterFirst', hostNetwork, dnsConfig } = pod.spec;
  const { name, namespace, uid } = pod.metadata;
  const problems: DnsProblem[] = [];
  const isOfCluster =
    dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  let config: ResolverConfig;
  if (dnsPolicy === 'None') config = { servers: [], searches: [], options: [] };
  else if (isOfCluster && clusterDns.length > 0) {
    const domains = [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
    config = {
      servers: [...clusterDns],
      searches: [...domains, ...host.searches],
      options: ['ndots:5'],
    };
  } else config = host;
  if (isOfCluster && clusterDns.length === 0)
    problems.push({
      reason: 'MissingClusterDNS',
      message: `pod: "${name}_${namespace}(${uid})". kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.`,
    });
  const servers = fitServers(unique([...config.servers, ...(dnsConfig?.nameservers ?? [])]));
  const searches = fitSearches(unique([...config.searches, ...(dnsConfig?.searches ?? [])]));
  for (const { problem } of [servers, searches])
    if (problem) problems.push({ reason: 'DNSConfigForming', message: problem });
  return {
    config: {
      servers: servers.fit,
      searches: searches.fit,
      options: mergeOptions(config.options, dnsConfig?.options ?? []),
    },
    problems,
  };
}

interface Fitted {
  fit: string[];
  /** In upstream's words; undefined: nothing was left out. */
  problem?: string;
}

function fitServers(servers: string[]): Fitted {
  if (servers.length <= serversMax) return { fit: servers };
  const fit = servers.slice(0, serversMax);
  const problem = `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${fit.join(' ')}`;
  return { fit, problem };
}

function fitSearches(searches: string[]): Fitted {
  const fit = searches.slice(0, searchesMax).filter((search) => search.length <= searchMax);
  while (fit.join(' ').length > searchLineMax) fit.pop();
  if (fit.length === searches.length) return { fit };
  const problem = `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${fit.join(' ')}`;
  return { fit, problem };
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

function mergeOptions(
  base: readonly string[],
  extra: readonly { name?: string; value?: string }[],
): string[] {
  const merged = new Map<string, string>();
  for (const option of base) {
    const [name = '', ...value] = option.split(':');
    merged.set(name, value.join(':'));
  }
  for (const { name = '', value = '' } of extra) merged.set(name, value);
  return [...merged].map(([name, value]) => (value === '' ? name : `${name}:${value}`));
}

/** Reads a resolv.conf. */
export function parseResolverConfig(text: string): ResolverConfig {
  const config: ResolverConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0]) config.servers.push(words[0]);
    else if (keyword === 'search') config.searches = words.filter((word) => word !== '.');
    else if (keyword === 'options') config.options.push(...words);
  }
  return config;
}
