/** `wherry service`: the addresses at which this machine reaches services. */
import { Node, Service } from '../../api/resources.gen.ts';
import { Failure } from '../../host/failure.ts';
import { connectAsAdmin } from '../admin-client.ts';
import { type Command, UsageError } from '../context.ts';
import { existingCluster, nameOption, parseOptions } from '../options/parse-options.ts';

export interface ServiceUrl {
  port: string;
  url: string;
}

export const service: Command = {
  summary: 'print the addresses of services',
  usage: 'list | SERVICE   [--namespace NS] [--name NAME]',
  async run(context, args) {
    const { values, positionals } = parseOptions(args, { ...nameOption, namespace: { type: 'string' } }, 1);
    const record = existingCluster(context, values);
    const [wanted] = positionals;
    if (!wanted) throw new UsageError('the name of a service is missing, or "list"');
    const client = connectAsAdmin(context, record.name);
    try {
      const addresses = nodeAddresses((await client.list(Node)).items);
      if (wanted === 'list') {
        const services = await client.list(Service, values.namespace ? { namespace: values.namespace } : {});
        printTable(context.print, services.items, addresses);
        return 0;
      }
      const namespace = values.namespace ?? 'default';
      const urls = serviceUrls(await client.get(Service, { namespace, name: wanted }), addresses);
      if (urls.length === 0)
        throw new Failure(`service ${namespace}/${wanted} is reached from within the cluster only`, {
          advice: `kubectl port-forward -n ${namespace} service/${wanted} PORT, or give it the type NodePort or LoadBalancer`,
        });
      for (const { url } of urls) context.print(url);
      return 0;
    } finally {
      client.close();
    }
  },
};

/** Addresses of load balancers first: they need no odd port. */
export function serviceUrls(object: Service, nodes: readonly string[]): ServiceUrl[] {
  const ports = object.spec?.ports ?? [];
  const named = (port: (typeof ports)[number]) => `${port.name ? `${port.name}/` : ''}${port.port}`;
  const balanced = (object.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) =>
    ports.map((port) => ({ port: named(port), url: urlOf(port, ip ?? hostname ?? '', port.port) })),
  );
  const onNodes = ports
    .filter((port) => port.nodePort)
    .flatMap((port) =>
      nodes.map((address) => ({ port: named(port), url: urlOf(port, address, port.nodePort!) })),
    );
  return [...balanced, ...onNodes];
}

function urlOf(
  port: { name?: string; port: number; protocol?: string },
  address: string,
  at: number,
): string {
  if (port.protocol === 'UDP' || port.protocol === 'SCTP')
    return `${port.protocol.toLowerCase()}://${address}:${at}`;
  const isSecure = port.port === 443 || port.port === 8443 || port.name?.startsWith('https') === true;
  const scheme = isSecure ? 'https' : 'http';
  const isUsual = at === (isSecure ? 443 : 80);
  return `${scheme}://${address}${isUsual ? '' : `:${at}`}`;
}

function nodeAddresses(nodes: readonly Node[]): string[] {
  return nodes
    .map((node) => node.status?.addresses?.find((address) => address.type === 'InternalIP')?.address)
    .filter((address) => address !== undefined);
}

function printTable(
  print: (line: string) => void,
  services: readonly Service[],
  nodes: readonly string[],
): void {
  const rows = [['NAMESPACE', 'NAME', 'TYPE', 'PORT', 'URL']];
  for (const each of services) {
    const facts = [each.metadata.namespace ?? '', each.metadata.name, each.spec?.type ?? ''];
    const urls = serviceUrls(each, nodes);
    if (urls.length === 0) rows.push([...facts, '', 'within the cluster only']);
    for (const { port, url } of urls) rows.push([...facts, port, url]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('   ')
        .trimEnd(),
    );
}
