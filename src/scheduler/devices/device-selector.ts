/** Whether a device matches a selector: CEL over the device's driver, attributes and capacity. */
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { celQuantity } from '../../api/cel/libraries/quantities.ts';
import { celSemver } from '../../api/cel/libraries/semver.ts';
import type { Device, DeviceAttribute, DeviceSelector } from '../../api/types/resource-v1.gen.ts';

/** The number of compiled expressions to keep; cleared when there are more. */
const programs = new Map<string, CelProgram>();
const programsMax = 1_000;

/** Domains that an expression uses: one that a device does not have is empty, not an error. */
const domainsNamed = /\.(?:attributes|capacity)\s*\[\s*["']([^"']+)["']\s*\]/g;

/** A device as expressions see it. */
export interface CelDevice {
  driver: string;
  attributes: Record<string, Record<string, unknown>>;
  capacity: Record<string, Record<string, unknown>>;
  allowMultipleAllocations: boolean;
}

/** Names without a domain are the driver's own. */
export function celDeviceOf(driver: string, device: Device): CelDevice {
  const attributes: CelDevice['attributes'] = {};
  const capacity: CelDevice['capacity'] = {};
  for (const [name, attribute] of Object.entries(device.attributes ?? {}))
    put(attributes, driver, name, celValueOf(attribute));
  for (const [name, { value }] of Object.entries(device.capacity ?? {}))
    put(capacity, driver, name, celQuantity(value));
  const { allowMultipleAllocations = false } = device;
  return { driver, attributes, capacity, allowMultipleAllocations };
}

/**
 * `whose`: the class or claim of the selectors, for the error.
 * @throws CelError when an expression does not compile, or fails on this device
 */
export function isSelected(
  selectors: readonly DeviceSelector[] | undefined,
  device: CelDevice,
  whose: string,
): boolean {
  return (selectors ?? []).every(({ cel }, index) => {
    if (!cel) return false;
    try {
      return compiled(cel.expression).evaluate({ device: withDomains(device, cel.expression) }) === true;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const message = `${whose}: selector #${index}: CEL runtime error: ${error.message}`;
      throw new CelError(message, { cause: error });
    }
  });
}

function compiled(expression: string): CelProgram {
  let program = programs.get(expression);
  if (!program) {
    program = compileCel(expression, ['device']);
    if (programs.size >= programsMax) programs.clear();
    programs.set(expression, program);
  }
  return program;
}

function withDomains(device: CelDevice, expression: string): CelDevice {
  const attributes = { ...device.attributes };
  const capacity = { ...device.capacity };
  for (const [, domain] of expression.matchAll(domainsNamed)) {
    attributes[domain!] ??= {};
    capacity[domain!] ??= {};
  }
  return { ...device, attributes, capacity };
}

function put(
  into: Record<string, Record<string, unknown>>,
  driver: string,
  name: string,
  value: unknown,
): void {
  const slash = name.indexOf('/');
  const domain = slash < 0 ? driver : name.slice(0, slash);
  into[domain] ??= {};
  into[domain][name.slice(slash + 1)] = value;
}

function celValueOf({
  bool,
  int,
  string,
  version,
  bools,
  ints,
  strings,
  versions,
}: DeviceAttribute): unknown {
  if (bool !== undefined) return bool;
  if (int !== undefined) return BigInt(int);
  if (version !== undefined) return celSemver(version);
  if (string !== undefined) return string;
  return bools ?? ints?.map(BigInt) ?? strings ?? versions?.map(celSemver);
}

/** An attribute's value under its full name (`domain/name`), comparable as text; undefined when it is not there. */
export function attributeText(driver: string, device: Device, fullName: string): string | undefined {
  const slash = fullName.indexOf('/');
  const own = fullName.slice(0, slash) === driver ? fullName.slice(slash + 1) : undefined;
  const attribute = device.attributes?.[fullName] ?? (own ? device.attributes?.[own] : undefined);
  return attribute && JSON.stringify(attribute);
}
