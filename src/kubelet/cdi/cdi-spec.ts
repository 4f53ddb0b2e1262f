/** Specs of the Container Device Interface: vendors' descriptions of the devices of a machine. Pure. */

export interface CdiDeviceNode {
  path: string;
  hostPath?: string;
  /** `c`, `u` (the same), `b` or `p`. */
  type?: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  permissions?: string;
  uid?: number;
  gid?: number;
}

export interface CdiMount {
  hostPath: string;
  containerPath: string;
  type?: string;
  options?: string[];
}

/** What a container needs to use a device. */
export interface CdiEdits {
  /** `NAME=value` */
  env?: string[];
  deviceNodes?: CdiDeviceNode[];
  mounts?: CdiMount[];
  hooks?: object[];
  additionalGids?: number[];
  intelRdt?: object;
  netDevices?: object[];
}

export interface CdiSpec {
  cdiVersion: string;
  /** `vendor/class` */
  kind: string;
  devices: { name: string; containerEdits?: CdiEdits }[];
  /** For every container that has any of the devices. */
  containerEdits?: CdiEdits;
}

/** A parsed spec; when two describe the same device, the one with the higher priority counts. */
export interface LocatedSpec {
  path: string;
  priority: number;
  spec: CdiSpec;
}

const vendor = '[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?';
const className = '[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?';
const kindPattern = new RegExp(`^${vendor}/${className}$`);

/** @throws Error when it is not a valid spec */
export function asCdiSpec(value: unknown): CdiSpec {
  const spec = value as Partial<CdiSpec> | undefined;
  if (!spec || typeof spec !== 'object') throw new Error('it is no object');
  if (typeof spec.cdiVersion !== 'string') throw new Error('it has no cdiVersion');
  if (typeof spec.kind !== 'string' || !kindPattern.test(spec.kind))
    throw new Error(`its kind ${JSON.stringify(spec.kind)} is not of the form vendor/class`);
  if (!Array.isArray(spec.devices) || spec.devices.some((device) => typeof device?.name !== 'string'))
    throw new Error('its devices are not a list of named ones');
  return spec as CdiSpec;
}

/**
 * The edits for the devices, in the order in which they are applied; a spec's own edits come before its first device.
 */
export function editsFor(names: readonly string[], specs: readonly LocatedSpec[]): CdiEdits[] {
  const found = names.map((name) => ({ name, located: findSpec(name, specs) }));
  const missing = found.filter(({ located }) => !located).map(({ name }) => name);
  if (missing.length > 0) throw new Error(`unresolvable CDI devices ${missing.join(', ')}`);
  const edits: CdiEdits[] = [];
  const seen = new Set<LocatedSpec>();
  for (const { name, located } of found) {
    const { spec } = located!;
    if (!seen.has(located!) && spec.containerEdits) edits.push(spec.containerEdits);
    seen.add(located!);
    const device = spec.devices.find((each) => nameOf(spec, each) === name);
    if (device?.containerEdits) edits.push(device.containerEdits);
  }
  return edits;
}

/** A device that two specs of the same priority describe is ambiguous, and not available. */
function findSpec(name: string, specs: readonly LocatedSpec[]): LocatedSpec | undefined {
  const describing = specs.filter(({ spec }) => spec.devices.some((device) => nameOf(spec, device) === name));
  const highest = Math.max(...describing.map(({ priority }) => priority));
  const [first, ...others] = describing.filter(({ priority }) => priority === highest);
  return others.length > 0 ? undefined : first;
}

function nameOf({ kind }: CdiSpec, { name }: { name: string }): string {
  return `${kind}=${name}`;
}
