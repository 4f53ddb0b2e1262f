/** Ports of a pod's containers that are accepted, though they are in each other's way. */
import type { Container, ContainerPort } from '../../types/core-v1.gen.ts';

interface PlacedPort {
  port: ContainerPort;
  field: string;
}

export function* portWarnings(
  containers: readonly (readonly [container: Container, field: string])[],
): Iterable<string> {
  const ports = containers.flatMap(([container, field]) =>
    (container.ports ?? []).map((port, index): PlacedPort => ({ port, field: `${field}.ports[${index}]` })),
  );
  const seen = new Map<string, PlacedPort[]>();
  for (const placed of ports) {
    const { port, field } = placed;
    if (port.hostIP && !port.hostPort) yield `${field}: hostIP set without hostPort: ${goPort(port)}`;
    const key = `${port.containerPort}/${port.protocol}`;
    const others = seen.get(key) ?? [];
    for (const other of others) {
      const clash = clashOf(port, other.port);
      if (clash) yield `${field}: ${clash} port definition with ${other.field}`;
    }
    seen.set(key, [...others, placed]);
  }
  yield* nameWarnings(ports);
}

function clashOf(port: ContainerPort, other: ContainerPort): string | undefined {
  const [host = 0, otherHost = 0] = [port.hostPort, other.hostPort];
  const [address = '', otherAddress = ''] = [port.hostIP, other.hostIP];
  if (address === otherAddress && host === otherHost) return 'duplicate';
  // Without a port of the host it says nothing new, whatever the address.
  if (host === 0 || otherHost === 0) return 'overlapping';
  const isOneAnywhere = (address === '') !== (otherAddress === '');
  return host === otherHost && isOneAnywhere ? 'dangerously ambiguous' : undefined;
}

function* nameWarnings(ports: readonly PlacedPort[]): Iterable<string> {
  const first = new Map<string, string>();
  for (const { port, field } of ports) {
    if (!port.name) continue;
    const other = first.get(port.name);
    if (other)
      yield `${field}: duplicate port name ${JSON.stringify(port.name)} with ${other}, services and probes that select ports by name will use ${other}`;
    else first.set(port.name, field);
  }
}

/** As Go prints the structure. */
function goPort({ name, hostPort, containerPort, protocol, hostIP }: ContainerPort): string {
  return `{Name:${name ?? ''} HostPort:${hostPort ?? 0} ContainerPort:${containerPort} Protocol:${protocol ?? ''} HostIP:${hostIP ?? ''}}`;
}
