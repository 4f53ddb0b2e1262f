/** The environment of a container, from literals, ConfigMaps, Secrets, fields, resources and services. */
import { ConfigMap, type Pod, Secret, type Service } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { ObjectSource } from '../object-source.ts';
import { variableInFile } from './env-file.ts';
import { expandReferences } from './expansion.ts';
import { fieldValue, type NodeFacts, resourceValue } from './field-paths.ts';

/** A container cannot be configured as its spec requires; the message is what users see. */
export class ContainerConfigError extends Error {}

export interface EnvironmentInputs {
  pod: Pod;
  container: core.Container;
  node: NodeFacts;
  podIps: readonly string[];
  objects: Pick<ObjectSource, 'get'>;
  /** Those of the pod's namespace and the `kubernetes` service. */
  services: Iterable<Service>;
  /** A file in a volume of the pod; undefined: there is none. @throws Error */
  readVolumeFile(volumeName: string, path: string): Promise<string | undefined>;
}

/** @throws ContainerConfigError */
export async function computeEnvironment(inputs: EnvironmentInputs): Promise<Map<string, string>> {
  const { container } = inputs;
  const result = new Map<string, string>();
  await addEnvFrom(inputs, result);
  const services = serviceVariables(inputs.services, inputs.pod);
  for (const variable of container.env ?? []) {
    const value = await variableValue(inputs, variable, (name) => result.get(name) ?? services.get(name));
    if (value !== undefined) result.set(variable.name, value);
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return result;
}

/**
 * Every key becomes a variable: keys and prefixes were validated when they were written, and names may be any such
 * text.
 */
async function addEnvFrom(inputs: EnvironmentInputs, result: Map<string, string>): Promise<void> {
  for (const source of inputs.container.envFrom ?? []) {
    const reference = source.configMapRef ?? source.secretRef;
    if (!reference) continue;
    const data = source.configMapRef
      ? await configMapData(inputs, reference)
      : await secretData(inputs, reference);
    for (const [key, value] of Object.entries(data ?? {})) result.set((source.prefix ?? '') + key, value);
  }
}

async function variableValue(
  inputs: EnvironmentInputs,
  variable: core.EnvVar,
  lookup: (name: string) => string | undefined,
): Promise<string | undefined> {
  const { pod, container, node, podIps } = inputs;
  const from = variable.valueFrom;
  if (!from) return expandReferences(variable.value ?? '', lookup);
  if (from.fieldRef) return fieldValue(pod, from.fieldRef.fieldPath, node, podIps);
  if (from.resourceFieldRef) {
    const { containerName } = from.resourceFieldRef;
    const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    const of = containerName ? all.find(({ name }) => name === containerName) : container;
    return resourceValue(pod, of ?? container, from.resourceFieldRef, node);
  }
  if (from.fileKeyRef) return fileValue(inputs, from.fileKeyRef);
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (!reference) return '';
  const isSecret = !from.configMapKeyRef;
  const name = reference.name ?? '';
  const data = isSecret ? await secretData(inputs, reference) : await configMapData(inputs, reference);
  if (data && Object.hasOwn(data, reference.key)) return data[reference.key];
  if (reference.optional) return undefined;
  const what = isSecret ? 'Secret' : 'ConfigMap';
  throw new ContainerConfigError(
    `couldn't find key ${reference.key} in ${what} ${pod.metadata.namespace}/${name}`,
  );
}

/** Upstream's limits on the content of a file of variables. */
const fileKeyMax = 128;
const fileValueMaxBytes = 32 * 1024;

async function fileValue(
  { readVolumeFile }: EnvironmentInputs,
  { volumeName, path, key, optional }: core.FileKeySelector,
): Promise<string | undefined> {
  if (key.length > fileKeyMax)
    throw new ContainerConfigError(
      `environment variable key "${key}" exceeds maximum length of ${fileKeyMax} characters`,
    );
  let value: string | undefined;
  try {
    const text = await readVolumeFile(volumeName, path);
    value = text === undefined ? undefined : variableInFile(text, key);
  } catch (error) {
    throw new ContainerConfigError(`couldn't parse env file "${path}": ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (value !== undefined && Buffer.byteLength(value) > fileValueMaxBytes)
    throw new ContainerConfigError(
      `environment variable value for key "${key}" exceeds maximum size of 32KB`,
    );
  if (value !== undefined || optional) return value;
  throw new ContainerConfigError(`environment variable key "${key}" not found in file "${path}"`);
}

type ObjectReference = Pick<core.ConfigMapKeySelector, 'name' | 'optional'>;

async function configMapData(inputs: EnvironmentInputs, { name = '', optional }: ObjectReference) {
  const namespace = inputs.pod.metadata.namespace ?? '';
  const found = await inputs.objects.get(ConfigMap, { namespace, name });
  if (found) return found.data ?? {};
  if (optional) return undefined;
  throw new ContainerConfigError(`configmap "${name}" not found`);
}

async function secretData(inputs: EnvironmentInputs, { name = '', optional }: ObjectReference) {
  const namespace = inputs.pod.metadata.namespace ?? '';
  const found = await inputs.objects.get(Secret, { namespace, name });
  if (found) {
    return Object.fromEntries(
      Object.entries(found.data ?? {}).map(([key, value]) => [key, decodeText(value)]),
    );
  }
  if (optional) return undefined;
  throw new ContainerConfigError(`secret "${name}" not found`);
}

function decodeText(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** `NAME_SERVICE_HOST` and the older Docker-link forms, for services with a cluster address. */
export function serviceVariables(services: Iterable<Service>, pod: Pod): Map<string, string> {
  const variables = new Map<string, string>();
  const links = pod.spec.enableServiceLinks ?? true;
  for (const service of services) {
    const { name, namespace } = service.metadata;
    const isMaster = namespace === 'default' && name === 'kubernetes';
    if (!isMaster && (!links || namespace !== pod.metadata.namespace)) continue;
    const ip = service.spec?.clusterIP;
    const ports = service.spec?.ports ?? [];
    if (!ip || ip === 'None' || ports.length === 0) continue;
    const prefix = variableName(name);
    variables.set(`${prefix}_SERVICE_HOST`, ip);
    variables.set(`${prefix}_SERVICE_PORT`, String(ports[0]!.port));
    for (const port of ports)
      if (port.name) variables.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
    addLinkVariables(variables, prefix, ip, ports);
  }
  return variables;
}

function addLinkVariables(
  variables: Map<string, string>,
  prefix: string,
  ip: string,
  ports: readonly core.ServicePort[],
): void {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  for (const [index, { port, protocol = 'TCP' }] of ports.entries()) {
    const lower = protocol.toLowerCase();
    const url = `${lower}://${host}:${port}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    const base = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    variables.set(base, url);
    variables.set(`${base}_PROTO`, lower);
    variables.set(`${base}_PORT`, String(port));
    variables.set(`${base}_ADDR`, ip);
  }
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
