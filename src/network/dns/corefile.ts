/**
 * Reads a CoreDNS configuration as commonly kept in the ConfigMap `kube-system/coredns`: server blocks with the plugins
 * kubernetes, forward, hosts, rewrite name and cache. Plugins that only matter to CoreDNS itself are accepted.
 */
import { isIP } from 'node:net';
import { isRegex } from '../regex.ts';

export interface ForwardRule {
  /** The zone to forward, without leading and trailing dots; '' for everything. */
  from: string;
  /** `address` or `address:port`; empty means: those of the node's resolv.conf. */
  to: string[];
}

export interface RewriteRule {
  kind: 'exact' | 'suffix' | 'prefix' | 'substring' | 'regex';
  from: string;
  to: string;
}

export interface ServerBlock {
  /** Zones that this block answers, '' for all. */
  zones: string[];
  /** Zones answered from the cluster's objects, including reverse zones; absent: none. */
  kubernetes?: { zones: string[]; pods: 'disabled' | 'insecure'; ttlSeconds: number; fallthrough: boolean };
  forwards: ForwardRule[];
  /** Name → addresses, from a `hosts` block. */
  hosts: Map<string, string[]>;
  rewrites: RewriteRule[];
  /** How long other servers' answers are cached at most; 0: not at all. */
  cacheSeconds: number;
}

export class CorefileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CorefileError';
  }
}

/**
 * Plugins that make no difference to answers here. `loop`, `reload` and `loadbalance` describe what this server does
 * anyway.
 */
const otherPlugins = new Set([
  'bind',
  'debug',
  'errors',
  'health',
  'lameduck',
  'loadbalance',
  'log',
  'loop',
  'metadata',
  'minimal',
  'pprof',
  'prometheus',
  'ready',
  'reload',
  'trace',
]);

const portMax = 65_535;
const defaultTtlSeconds = 5;
const defaultCacheSeconds = 3600;

/** @throws CorefileError naming the plugin and what is wrong with it */
export function parseCorefile(text: string): ServerBlock[] {
  const tokens = tokenize(text);
  const blocks: ServerBlock[] = [];
  let line = tokens.next();
  while (line) {
    if (line.words.at(-1) !== '{')
      throw new CorefileError(`server block ${line.words.join(' ')} has no body`);
    blocks.push(parseServerBlock(line.words.slice(0, -1), tokens));
    line = tokens.next();
  }
  return blocks;
}

interface Line {
  words: string[];
}

/** Lines of words; `{` ends a line that opens a block, `}` stands alone. */
function tokenize(text: string): { next(): Line | undefined } {
  const lines: Line[] = [];
  for (const raw of text.split('\n')) {
    const words = raw.replace(/(^|\s)#.*$/, '').match(/"[^"]*"|\S+/g) ?? [];
    if (words.length > 0) lines.push({ words: words.map((word) => word.replace(/^"(.*)"$/, '$1')) });
  }
  let index = 0;
  return { next: () => lines[index++] };
}

function parseServerBlock(names: readonly string[], lines: { next(): Line | undefined }): ServerBlock {
  const block: ServerBlock = {
    zones: names
      .flatMap((name) => name.split(','))
      .filter(Boolean)
      .map(zoneOf),
    forwards: [],
    hosts: new Map(),
    rewrites: [],
    cacheSeconds: 0,
  };
  for (let line = lines.next(); line; line = lines.next()) {
    if (line.words[0] === '}') return block;
    const opensBody = line.words.at(-1) === '{';
    const [plugin = '', ...args] = opensBody ? line.words.slice(0, -1) : line.words;
    applyPlugin(block, plugin, args, opensBody ? readBody(lines) : []);
  }
  throw new CorefileError('a block is not closed');
}

function readBody(lines: { next(): Line | undefined }): string[][] {
  const body: string[][] = [];
  for (let line = lines.next(); line; line = lines.next()) {
    if (line.words[0] === '}') return body;
    body.push(line.words);
    if (line.words.at(-1) === '{') readBody(lines);
  }
  throw new CorefileError('a block is not closed');
}

function applyPlugin(block: ServerBlock, plugin: string, args: string[], body: string[][]): void {
  switch (plugin) {
    case 'kubernetes':
      block.kubernetes = parseKubernetes(args, body);
      break;
    case 'forward':
    case 'proxy': {
      const [from, ...to] = args;
      if (from === undefined || to.length === 0)
        throw new CorefileError(`${plugin} wants a zone and servers`);
      const servers = to.filter((server) => !server.startsWith('/')).map(serverAddress);
      block.forwards.push({ from: zoneOf(from), to: servers });
      break;
    }
    case 'hosts':
      for (const [address = '', ...names] of body) {
        if (
          address === 'fallthrough' ||
          address === 'ttl' ||
          address === 'no_reverse' ||
          address === 'reload' ||
          // As CoreDNS: a line without an address says nothing.
          isIP(address) === 0
        )
          continue;
        for (const name of names) {
          const key = zoneOf(name);
          block.hosts.set(key, [...(block.hosts.get(key) ?? []), address]);
        }
      }
      break;
    case 'rewrite':
      block.rewrites.push(...parseRewrite(args, body));
      break;
    case 'cache':
      block.cacheSeconds = /^\d+$/.test(args[0] ?? '') ? Number(args[0]) : defaultCacheSeconds;
      break;
    default:
      if (!otherPlugins.has(plugin)) throw new CorefileError(`plugin ${plugin} is not supported`);
  }
}

function parseKubernetes(
  args: readonly string[],
  body: readonly string[][],
): NonNullable<ServerBlock['kubernetes']> {
  const option = (name: string) => body.find(([key]) => key === name);
  const pods = option('pods')?.[1] ?? 'disabled';
  const ttl = Number(option('ttl')?.[1] ?? defaultTtlSeconds);
  if (!Number.isInteger(ttl) || ttl < 0 || ttl > 3600)
    throw new CorefileError('kubernetes: ttl must be in range [0, 3600]');
  return {
    zones: args.length > 0 ? args.map(zoneOf) : ['cluster.local'],
    // `pods verified` is treated as `pods insecure`: an address that no pod has leads nowhere in either case.
    pods: pods === 'disabled' ? 'disabled' : 'insecure',
    ttlSeconds: ttl,
    fallthrough: option('fallthrough') !== undefined,
  };
}

function parseRewrite(args: readonly string[], body: readonly string[][]): RewriteRule[] {
  const words = args.filter((word) => word !== 'stop' && word !== 'continue');
  const rules = words.length > 0 ? [words] : body.map((line) => line.filter((word) => word !== 'stop'));
  return rules.flatMap(([field, ...rest]): RewriteRule[] => {
    if (field !== 'name') return [];
    const kinds = ['exact', 'suffix', 'prefix', 'substring', 'regex'] as const;
    const kind = kinds.find((each) => each === rest[0]);
    const [from, to] = kind ? rest.slice(1) : rest;
    if (!from || !to) throw new CorefileError('rewrite name wants two names');
    if (kind === 'regex' && !isRegex(from))
      throw new CorefileError(`rewrite name regex: ${from} is no regular expression`);
    const trim = (text: string) =>
      kind === 'regex' || kind === 'substring' ? text : text.replace(/\.$/, '').toLowerCase();
    return [{ kind: kind ?? 'exact', from: trim(from), to: trim(to) }];
  });
}

/** `dns://example.org.:53` → `example.org`; `.` → ''. */
function zoneOf(name: string): string {
  return name
    .replace(/^dns:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** Plain DNS only. @returns `address` or `address:port`, an IPv6 address with a port in brackets */
function serverAddress(server: string): string {
  const address = server.replace(/^dns:\/\//, '');
  const withPort = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d+)$/.exec(address)?.groups;
  const isValid = withPort
    ? isIP(withPort.v6 ?? withPort.v4 ?? '') > 0 &&
      Number(withPort.port) > 0 &&
      Number(withPort.port) <= portMax
    : isIP(address) > 0;
  if (!isValid) throw new CorefileError(`not an IP address or file: "${server}"`);
  return address;
}
