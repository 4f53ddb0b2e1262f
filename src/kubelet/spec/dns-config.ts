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

export function resolverConfigOf(pod: Pod, { clusterDns, clusterDomain, host }: DnsInputs): ResolverConfig {
  const { dnsPolicy = 'ClusterFirst', hostNetwork, dnsConfig } = pod.spec;
  let config: ResolverConfig;
  if (dnsPolicy === 'None') config = { servers: [], searches: [], options: [] };
  else if (
    dnsPolicy === 'ClusterFirstWithHostNet' ||
    (dnsPolicy === 'ClusterFirst' && !hostNetwork && clusterDns.length > 0)
  ) {
    const { namespace } = pod.metadata;
    config = {
      servers: [...clusterDns],
      searches: [
        `${namespace}.svc.${clusterDomain}`,
        `svc.${clusterDomain}`,
        clusterDomain,
        ...host.searches,
      ],
      options: ['ndots:5'],
    };
  } else config = { servers: [...host.servers], searches: [...host.searches], options: [...host.options] };
  return {
    servers: unique([...config.servers, ...(dnsConfig?.nameservers ?? [])]).slice(0, serversMax),
    searches: unique([...config.searches, ...(dnsConfig?.searches ?? [])]).slice(0, searchesMax),
    options: mergeOptions(config.options, dnsConfig?.options ?? []),
  };
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
