/** The types of CEL values, and which of them go together. */

export type CelType =
  | {
      kind:
        | 'bool'
        | 'int'
        | 'uint'
        | 'double'
        | 'string'
        | 'bytes'
        | 'null'
        | 'timestamp'
        | 'duration'
        | 'dyn'
        | 'error';
    }
  | { kind: 'list' | 'optional' | 'type'; of: CelType }
  | { kind: 'map'; key: CelType; of: CelType }
  /** `field`: undefined for a name that it does not have. */
  | { kind: 'object'; name: string; field(name: string): CelType | undefined }
  | { kind: 'opaque'; name: string }
  | { kind: 'param'; name: string };

export const dyn: CelType = { kind: 'dyn' };
/** The type of a part with an error that was already reported: compatible with everything. */
export const errorType: CelType = { kind: 'error' };
export const bool: CelType = { kind: 'bool' };
export const int: CelType = { kind: 'int' };
export const string: CelType = { kind: 'string' };
export const listOf = (of: CelType): CelType => ({ kind: 'list', of });
export const mapOf = (key: CelType, of: CelType): CelType => ({ kind: 'map', key, of });
export const optionalOf = (of: CelType): CelType => ({ kind: 'optional', of });

/** As upstream's errors show it. */
export function typeText(type: CelType): string {
  switch (type.kind) {
    case 'list':
      return `list(${typeText(type.of)})`;
    case 'optional':
      return `optional_type(${typeText(type.of)})`;
    case 'type':
      return `type(${typeText(type.of)})`;
    case 'map':
      return `map(${typeText(type.key)}, ${typeText(type.of)})`;
    case 'object':
    case 'opaque':
      return type.name;
    case 'param':
      return 'dyn';
    case 'error':
      return '!error!';
    default:
      return type.kind;
  }
}

export function isUnknown({ kind }: CelType): boolean {
  return kind === 'dyn' || kind === 'error';
}

/** The type of a variable that an expression defines: nothing is known of the objects in it. */
export function withoutObjects(type: CelType): CelType {
  switch (type.kind) {
    case 'list':
      return listOf(withoutObjects(type.of));
    case 'map':
      return mapOf(withoutObjects(type.key), withoutObjects(type.of));
    case 'object':
    case 'opaque':
    case 'optional':
    case 'type':
    case 'param':
    case 'error':
      return dyn;
    default:
      return type;
  }
}

/** What type parameters stand for. */
export type Bindings = Map<string, CelType>;

export function resolve(type: CelType, bindings: Bindings): CelType {
  switch (type.kind) {
    case 'param': {
      const bound = bindings.get(type.name);
      return bound ? resolve(bound, bindings) : type;
    }
    case 'list':
    case 'optional':
    case 'type':
      return { kind: type.kind, of: resolve(type.of, bindings) };
    case 'map':
      return { kind: 'map', key: resolve(type.key, bindings), of: resolve(type.of, bindings) };
    default:
      return type;
  }
}

/** Whether a value of one may stand for the other; binds parameters on the way. */
export function goTogether(left: CelType, right: CelType, bindings: Bindings): boolean {
  const [a, b] = [resolve(left, bindings), resolve(right, bindings)];
  if (a.kind === 'param' || b.kind === 'param') {
    if (a.kind === 'param' && b.kind === 'param' && a.name === b.name) return true;
    const [param, other] = a.kind === 'param' ? [a, b] : [b as typeof a & { kind: 'param' }, a];
    bindings.set((param as { name: string }).name, other);
    return true;
  }
  if (isUnknown(a) || isUnknown(b)) return true;
  if (a.kind === 'null' || b.kind === 'null') return a.kind === b.kind || isNullable(a) || isNullable(b);
  if (a.kind === 'map' && b.kind === 'map')
    return goTogether(a.key, b.key, bindings) && goTogether(a.of, b.of, bindings);
  if (a.kind === 'type' && b.kind === 'type') return true;
  if ((a.kind === 'list' && b.kind === 'list') || (a.kind === 'optional' && b.kind === 'optional'))
    return goTogether(a.of, b.of, bindings);
  if ((a.kind === 'object' || a.kind === 'opaque') && (b.kind === 'object' || b.kind === 'opaque'))
    return a.name === b.name;
  return a.kind === b.kind;
}

function isNullable({ kind }: CelType): boolean {
  return ['object', 'opaque', 'optional', 'timestamp', 'duration'].includes(kind);
}
