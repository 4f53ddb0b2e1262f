/**
 * From a query to an answer: which server block, which plugin, and in which order, over the API's objects and other
 * servers' answers.
 */
import type { ClusterAnswer, ClusterView, ClusterZone } from './cluster-names.ts';
import { answerClusterName, answerReverse, authorityOf } from './cluster-names.ts';
import type { RewriteRule, ServerBlock } from './corefile.ts';
import type { Forwarder } from './forwarder.ts';
import { parseAnswer, type Query, type Response, ResponseCode } from './message/message.ts';
import { RecordType, type ResourceRecord } from './message/resource-record.ts';

export interface ResolverOptions {
  view: ClusterView;
  forwarder: Forwarder;
  blocks: readonly ServerBlock[];
  /** Servers from the node's resolv.conf, for forwards that name it. */
  nodeServers(): readonly string[];
  /** Changes whenever names change. */
  serial(): number;
  random: { next(): number };
}

/** An answer made here, or another server's bytes to pass on. */
export type Resolution = Response | { passOn: Buffer };

/** IXFR and AXFR: zone transfers are refused. */
const zoneTransfers = new Set([251, 252]);

/** How many aliases of ExternalName services are followed. */
const aliasesMax = 8;

/** A promise only where another server is queried: cluster names are answered at once. */
export function resolve(
  query: Query,
  options: ResolverOptions,
  aliasesLeft = aliasesMax,
): Resolution | Promise<Resolution> {
  const asked = query.name.toLowerCase();
  const block = blockOf(asked, options.blocks);
  if (!block || zoneTransfers.has(query.type)) return plain(ResponseCode.refused);
  const name = rewrite(asked, block.rewrites);
  const hosts = block.hosts.get(name);
  if (hosts) return renamed(fromHosts(name, query.type, hosts), name, asked);
  const answer = answerFromCluster(name, query.type, block, options);
  if (!answer) return forward(name, query.type, block, options);
  const { cluster, zone } = answer;
  if (cluster.follow !== undefined) return follow(cluster, query.type, options, aliasesLeft);
  const isForAuthority = name === zone.domain && query.type === RecordType.SOA;
  const authority = () => [authorityOf(zone, options.serial())];
  const answers = isForAuthority ? authority() : cluster.answers;
  const response: Response = {
    code: cluster.code,
    authoritative: true,
    answers: rotate(answers, options.random),
    additionals: cluster.additionals,
    ...(answers.length === 0 ? { authorities: authority() } : {}),
  };
  return name === asked ? response : renamed(response, name, asked);
}

function answerFromCluster(
  name: string,
  type: number,
  block: ServerBlock,
  options: ResolverOptions,
): { cluster: ClusterAnswer; zone: ClusterZone } | undefined {
  const { kubernetes } = block;
  if (!kubernetes) return undefined;
  const domain = longestZone(name, kubernetes.zones);
  if (domain === undefined) return undefined;
  const forward = kubernetes.zones.find((zone) => !isReverseZone(zone)) ?? 'cluster.local';
  const zone: ClusterZone = { domain, ttlSeconds: kubernetes.ttlSeconds, pods: kubernetes.pods };
  if (!isReverseZone(domain)) return { cluster: answerClusterName(name, type, zone, options.view), zone };
  const cluster = answerReverse(name, type, { ...zone, domain: forward }, options.view);
  if (cluster) return { cluster, zone };
  if (kubernetes.fallthrough && serversFor(name, block, options).length > 0) return undefined;
  return { cluster: { code: ResponseCode.noSuchName, answers: [], additionals: [] }, zone };
}

/**
 * An alias' target may be another cluster name or any other; if it cannot be resolved, the alias stands alone. A
 * rewrite may lead from a target back to its alias, so every step counts towards the limit.
 */
async function follow(
  cluster: ClusterAnswer,
  type: number,
  options: ResolverOptions,
  aliasesLeft: number,
): Promise<Response> {
  const answers = [...cluster.answers];
  if (aliasesLeft === 0) return { code: ResponseCode.noError, authoritative: true, answers };
  const target = cluster.follow!;
  const query: Query = {
    id: 0,
    opcode: 0,
    recursionDesired: true,
    checkingDisabled: false,
    name: target,
    type,
    class: 1,
    edns: undefined,
  };
  const block = blockOf(target.toLowerCase(), options.blocks);
  const next = block && answerFromCluster(target.toLowerCase(), type, block, options)?.cluster;
  if (next?.follow !== undefined) {
    answers.push(...(await follow(next, type, options, aliasesLeft - 1)).answers);
  } else {
    const resolution = await resolve(query, options, aliasesLeft - 1);
    const found =
      'passOn' in resolution ? (parseAnswer(resolution.passOn)?.records ?? []) : resolution.answers;
    answers.push(...found);
  }
  return { code: ResponseCode.noError, authoritative: true, answers };
}

async function forward(
  name: string,
  type: number,
  block: ServerBlock,
  options: ResolverOptions,
): Promise<Resolution> {
  const servers = serversFor(name, block, options);
  // No server to forward to. A single label then does not exist; about other names nothing is known.
  if (servers.length === 0)
    return plain(name.includes('.') ? ResponseCode.serverFailure : ResponseCode.noSuchName);
  const answer = await options.forwarder.ask({ name, type, servers, cacheSeconds: block.cacheSeconds });
  return answer ? { passOn: answer } : plain(ResponseCode.serverFailure);
}

function serversFor(name: string, block: ServerBlock, options: ResolverOptions): readonly string[] {
  const zone = longestZone(
    name,
    block.forwards.map(({ from }) => from),
  );
  const rule = block.forwards.find(({ from }) => from === zone);
  if (!rule) return [];
  return rule.to.length > 0 ? rule.to : options.nodeServers();
}

function blockOf(name: string, blocks: readonly ServerBlock[]): ServerBlock | undefined {
  const zone = longestZone(
    name,
    blocks.flatMap(({ zones }) => zones),
  );
  return zone === undefined ? undefined : blocks.find(({ zones }) => zones.includes(zone));
}

function longestZone(name: string, zones: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const zone of zones) {
    const matches = zone === '' || name === zone || name.endsWith(`.${zone}`);
    if (matches && (best === undefined || zone.length > best.length)) best = zone;
  }
  return best;
}

function isReverseZone(zone: string): boolean {
  return (
    zone === 'in-addr.arpa' ||
    zone === 'ip6.arpa' ||
    zone.endsWith('.in-addr.arpa') ||
    zone.endsWith('.ip6.arpa')
  );
}

function rewrite(name: string, rules: readonly RewriteRule[]): string {
  for (const { kind, from, to } of rules) {
    if (kind === 'exact' && name === from) return to;
    if (kind === 'suffix' && name.endsWith(from)) return name.slice(0, name.length - from.length) + to;
    if (kind === 'prefix' && name.startsWith(from)) return to + name.slice(from.length);
    if (kind === 'substring' && name.includes(from)) return name.replaceAll(from, () => to);
    if (kind === 'regex') {
      const match = new RegExp(from).exec(`${name}.`);
      if (match)
        return to.replaceAll(/\{(\d+)\}/g, (_, index) => match[Number(index)] ?? '').replace(/\.$/, '');
    }
  }
  return name;
}

/** Records of a rewritten name are returned under the name in the query. */
function renamed(response: Response, from: string, to: string): Response {
  const rename = (record: ResourceRecord) => (record.name === from ? { ...record, name: to } : record);
  return { ...response, answers: response.answers.map(rename) };
}

function fromHosts(name: string, type: number, addresses: readonly string[]): Response {
  const ttlSeconds = 3600;
  const answers = addresses.flatMap((address): ResourceRecord[] => {
    const own = address.includes(':') ? RecordType.AAAA : RecordType.A;
    return own === type ? [{ name, type: own, ttlSeconds, address }] : [];
  });
  return { code: ResponseCode.noError, authoritative: true, answers };
}

/** Starts at a random place, so that clients that use the first address spread over all. */
function rotate(records: readonly ResourceRecord[], random: { next(): number }): readonly ResourceRecord[] {
  if (records.length < 2) return records;
  const start = Math.floor(random.next() * records.length);
  return [...records.slice(start), ...records.slice(0, start)];
}

function plain(code: number): Response {
  return { code, authoritative: false, answers: [] };
}
